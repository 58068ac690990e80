#include "agent/endpoint.hpp"

#include "agent/status_stream.hpp"
#include "agent/tls_files.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "http/client.hpp"

#include <fmt/format.h>

#include <charconv>

namespace toygres::agent {
namespace {

constexpr std::chrono::seconds certificate_check_interval{5};
constexpr std::chrono::milliseconds stop_grace{200};
constexpr std::chrono::seconds local_timeout{10};
constexpr std::chrono::milliseconds max_age_default{500};

std::string token_path(const Options& options) { return options.private_dir + "/status-token"; }

http::Response text(int status, std::string body) {
    return {status, {{"Content-Type", "text/plain"}}, std::move(body) + "\n"};
}

// "?max_age_ms=20": how old an answer of postgres may be.
std::chrono::milliseconds max_age_of(const http::Request& request) {
    const auto target = http::Target::parse(request.target);
    const auto text = target ? target->get("max_age_ms").value_or("") : std::string();
    std::int64_t ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
    const bool valid = !text.empty() && error == std::errc() && end == text.data() + text.size() && ms >= 0;
    return valid ? std::min(std::chrono::milliseconds(ms), max_age_default) : max_age_default;
}

bool wants_stream(const http::Request& request) {
    const auto target = http::Target::parse(request.target);
    return target && target->get("watch").has_value();
}

std::string path_of(const http::Request& request) { return request.target.substr(0, request.target.find('?')); }

bool same(const http::ServerTls& a, const http::ServerTls& b) {
    return a.certificate_chain_pem == b.certificate_chain_pem && a.private_key_pem == b.private_key_pem &&
           a.client_ca_pem == b.client_ca_pem;
}

}  // namespace

Result<http::ServerTls> endpoint_tls(const Options& options) {
    auto pair = tls_pair(options, options.tls_dir);
    if (!pair) return std::unexpected(pair.error());
    auto ca = read_file(options.tls_dir + "/ca.crt");
    if (!ca) return std::unexpected(ca.error());
    return http::ServerTls{std::move(pair->certificate), std::move(pair->key), *std::move(ca), false};
}

Endpoint::Endpoint(asio::io_context& io, Agent& agent)
    : io_(io), agent_(agent), token_(random_hex(64)), tls_(value_or_raise(endpoint_tls(agent.options()))) {
    const auto& options = agent.options();
    value_or_raise(write_file_atomically(token_path(options), token_, 0600));
    server_ = std::make_unique<http::Server>(
        io, http::ServerOptions{.address = options.address, .port = options.agent_port, .tls = tls_},
        [this](http::Exchange& exchange) { return answer(exchange); });
}

void Endpoint::start() {
    server_->start();
    asio::co_spawn(io_, follow_certificates(), asio::detached);
}

asio::awaitable<void> Endpoint::stop() { co_await server_->stop(stop_grace); }

asio::awaitable<void> Endpoint::answer(http::Exchange& exchange) {
    const auto& request = exchange.request();
    const auto path = path_of(request);
    if (request.method != "GET") {
        co_await exchange.respond(text(405, "only GET"));
    } else if (path == "/livez") {
        co_await exchange.respond(text(200, "ok"));
    } else if (path == "/readyz") {
        const bool ready = co_await agent_.ready();
        co_await exchange.respond(ready ? text(200, "ok") : text(503, "not ready"));
    } else if (path == "/status") {
        const bool local = constant_time_equal(request.headers.get("Authorization"), "Bearer " + token_);
        if (!local && request.client_cert_cn != control_plane_cn) {
            co_await exchange.respond(text(403, "a client certificate of the control plane is needed"));
            co_return;
        }
        if (wants_stream(request)) co_return co_await stream_status(agent_, exchange);
        const auto status = co_await agent_.status(max_age_of(request));
        co_await exchange.respond({200, {{"Content-Type", "application/json"}}, encode(status).dump() + "\n"});
    } else {
        co_await exchange.respond(text(404, "no such path"));
    }
}

asio::awaitable<void> Endpoint::follow_certificates() {
    asio::steady_timer timer(io_);
    for (;;) {
        timer.expires_after(certificate_check_interval);
        co_await timer.async_wait(use);
        auto tls = endpoint_tls(agent_.options());
        if (!tls || same(*tls, tls_)) continue;
        try {
            server_->replace_tls(*tls);
            tls_ = *std::move(tls);
            log::info("certificate.replaced");
        } catch (const ErrorException& e) {
            // What is shown stays until the files are good.
            log::warning("certificate.refused", {{"error", e.error().message}});
        }
    }
}

asio::awaitable<Result<http::Response>> ask_local_agent(Options options, std::string path) {
    const auto ca = read_file(options.tls_dir + "/ca.crt");
    if (!ca) co_return std::unexpected(ca.error());
    http::Client client(co_await asio::this_coro::executor,
                        {.base_url = fmt::format("https://{}:{}", options.address, options.agent_port),
                         .tls = http::ClientTls{.ca_pem = *ca, .server_name = options.instance}});
    http::Request request{"GET", std::move(path), {}, {}, {}};
    if (const auto token = read_file(token_path(options))) request.headers.set("Authorization", "Bearer " + *token);
    co_return co_await client.send(std::move(request), local_timeout);
}

}  // namespace toygres::agent
