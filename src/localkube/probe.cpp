#include "localkube/probe.hpp"

#include "http/client.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace toygres::localkube {

Probe::Probe(asio::io_context& io, Object spec, const Object& container, std::string address)
    : io_(io), spec_(std::move(spec)), ports_(list_at(container, "ports")), address_(std::move(address)) {}

Probe::~Probe() = default;

std::chrono::seconds Probe::initial_delay() const {
    return std::chrono::seconds(int_at(spec_, "initialDelaySeconds", 0));
}
std::chrono::seconds Probe::period() const {
    return std::chrono::seconds(std::max<std::int64_t>(1, int_at(spec_, "periodSeconds", 10)));
}
int Probe::success_threshold() const { return static_cast<int>(int_at(spec_, "successThreshold", 1)); }
int Probe::failure_threshold() const { return static_cast<int>(int_at(spec_, "failureThreshold", 3)); }

int Probe::port(const Object& value) const {
    if (value.is_number_integer()) return value.get<int>();
    if (!value.is_string()) return 0;
    for (const auto& named : ports_)
        if (text_at(named, "name") == value.get_ref<const std::string&>())
            return static_cast<int>(int_at(named, "containerPort"));
    return std::atoi(value.get_ref<const std::string&>().c_str());
}

asio::awaitable<ProbeOutcome> Probe::attempt(std::optional<ExecTarget> target) {
    if (spec_.contains("httpGet")) co_return co_await request();
    if (spec_.contains("tcpSocket")) co_return co_await connect();
    if (!spec_.contains("exec") || !target) co_return ProbeOutcome{true, {}};
    std::vector<std::string> command;
    for (const auto& word : list_at(spec_, "exec.command")) command.push_back(word.get<std::string>());
    const std::chrono::seconds limit(std::max<std::int64_t>(1, int_at(spec_, "timeoutSeconds", 1)));
    const auto outcome = co_await exec_and_wait(io_, *std::move(target), std::move(command), limit);
    if (!outcome) co_return ProbeOutcome{false, outcome.error().message};
    if (!outcome->finished) co_return ProbeOutcome{false, fmt::format("command timed out after {}s", limit.count())};
    co_return ProbeOutcome{outcome->exit_code == 0, outcome->output};
}

asio::awaitable<ProbeOutcome> Probe::request() {
    const auto& get = spec_["httpGet"];
    const bool tls = text_at(get, "scheme", "HTTP") == "HTTPS";
    const auto base =
        fmt::format("{}://{}:{}", tls ? "https" : "http", text_at(get, "host", address_), port(field_at(get, "port")));
    if (!client_) {
        http::ClientOptions options{.base_url = base};
        if (tls) options.tls = http::ClientTls{.verify = false};
        client_ = std::make_unique<http::Client>(io_.get_executor(), std::move(options));
    }
    const auto path = text_at(get, "path", "/");
    http::Request request{.method = "GET", .target = path.starts_with('/') ? path : "/" + path};
    request.headers.set("User-Agent", "kube-probe/1.32");
    for (const auto& header : list_at(get, "httpHeaders"))
        request.headers.set(text_at(header, "name"), text_at(header, "value"));
    const std::chrono::seconds limit(std::max<std::int64_t>(1, int_at(spec_, "timeoutSeconds", 1)));
    const auto response = co_await client_->send(std::move(request), limit);
    if (!response) co_return ProbeOutcome{false, fmt::format("Get \"{}{}\": {}", base, path, response.error().message)};
    const bool ok = response->status >= 200 && response->status < 400;
    co_return ProbeOutcome{ok,
                           ok ? std::string() : fmt::format("HTTP probe failed with statuscode: {}", response->status)};
}

asio::awaitable<ProbeOutcome> Probe::connect() {
    const auto& tcp = spec_["tcpSocket"];
    boost::system::error_code error;
    const auto host = asio::ip::make_address(text_at(tcp, "host", address_), error);
    if (error) co_return ProbeOutcome{false, "the host is no address"};
    const asio::ip::tcp::endpoint endpoint(host, static_cast<unsigned short>(port(field_at(tcp, "port"))));
    asio::ip::tcp::socket socket(io_);
    asio::steady_timer limit(io_, std::chrono::seconds(std::max<std::int64_t>(1, int_at(spec_, "timeoutSeconds", 1))));
    // The pod's address is on this machine, so that the connection is made or refused at once; the limit is for the
    // rest.
    auto open = std::make_shared<asio::ip::tcp::socket*>(&socket);
    limit.async_wait([open](boost::system::error_code stopped) {
        boost::system::error_code ignored;
        if (!stopped && *open) (*open)->close(ignored);
    });
    const auto [failed] = co_await socket.async_connect(endpoint, use);
    *open = nullptr;
    if (failed)
        co_return ProbeOutcome{false, fmt::format("dial tcp {}:{}: {}", endpoint.address().to_string(), endpoint.port(),
                                                  failed.message())};
    co_return ProbeOutcome{true, {}};
}

}  // namespace toygres::localkube
