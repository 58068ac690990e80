#include "faulty_api.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "kube/kubeconfig.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <array>
#include <deque>

namespace toygres::test {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

namespace {

asio::awaitable<void> pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

Json status_of(int status, const std::string& reason, const std::string& message) {
    return {{"kind", "Status"},   {"apiVersion", "v1"}, {"status", "Failure"},
            {"message", message}, {"reason", reason},   {"code", status}};
}

http::Response refusal(int status, const std::string& reason) {
    const auto body = status_of(status, reason, "faulty");
    http::Response out{status, {{"Content-Type", "application/json"}}, body.dump()};
    if (status == 429) out.headers.set("Retry-After", "1");
    return out;
}

// What has come of a watch and was not handed over yet.
struct Pipe {
    std::deque<std::string> pieces;
    bool ended = false;
};

}  // namespace

FaultyApi::FaultyApi(const std::string& directory) : kubeconfig_(directory + "/faulty.kubeconfig") {
    const auto access = kube::load_kubeconfig(directory + "/cluster/kubeconfig").value();
    token_ = access.token.reveal();
    upstream_ = std::make_unique<http::Client>(
        io_.get_executor(), http::ClientOptions{.base_url = access.server, .tls = access.tls, .connections_max = 256});
    server_ = std::make_unique<http::Server>(io_, http::ServerOptions{},
                                             [this](http::Exchange& exchange) { return handle(exchange); });
    const auto text = fmt::format(
        "apiVersion: v1\nkind: Config\ncurrent-context: faulty\n"
        "clusters: [{{name: faulty, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
        "users: [{{name: me, user: {{}}}}]\n"
        "contexts: [{{name: faulty, context: {{cluster: faulty, user: me, namespace: {}}}}}]\n",
        server_->port(), access.default_ns);
    write_file_atomically(kubeconfig_, text, 0600).value();
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
}

FaultyApi::~FaultyApi() {
    io_.stop();
    thread_.join();
}

bool FaultyApi::fails() {
    switch (mood_) {
        case Mood::well:
            return false;
        case Mood::errors:
            return true;
        case Mood::every_other:
            return (passed_on_ + failed_) % 2 == 0;
    }
    return false;
}

asio::awaitable<void> FaultyApi::handle(http::Exchange& exchange) {
    if (silent_) ++unanswered_;
    while (silent_) co_await pause(20ms);
    if (fails())
        co_await fail(exchange);
    else
        co_await pass_on(exchange);
}

void FaultyApi::refuse(const std::string& method, const std::string& part, int status, const std::string& reason,
                       const std::string& message, http::Headers headers) {
    headers.set("Content-Type", "application/json");
    const std::scoped_lock lock(mutex_);
    rules_.push_back({method, part, {status, std::move(headers), status_of(status, reason, message).dump()}});
}

void FaultyApi::admit_all() {
    const std::scoped_lock lock(mutex_);
    rules_.clear();
}

void FaultyApi::show_pods(std::function<void(Json&)> as) {
    const std::scoped_lock lock(mutex_);
    pods_as_ = std::move(as);
}

std::vector<std::string> FaultyApi::asked(const std::string& beginning) const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> out;
    for (const auto& request : asked_)
        if (request.starts_with(beginning)) out.push_back(request);
    return out;
}

std::optional<http::Response> FaultyApi::refusal_of(const http::Request& request) {
    const std::scoped_lock lock(mutex_);
    for (const auto& rule : rules_)
        if (rule.method == request.method && request.target.contains(rule.part)) {
            ++refused_;
            return rule.answer;
        }
    asked_.push_back(request.method + " " + request.target);
    return std::nullopt;
}

http::Response FaultyApi::as_shown(const http::Request& request, http::Response answer) {
    const std::scoped_lock lock(mutex_);
    if (!pods_as_ || request.method != "GET" || answer.status != 200 || !request.target.contains("/pods"))
        return answer;
    auto body = Json::parse(answer.body, nullptr, false);
    if (!body.is_object()) return answer;
    if (body.contains("items"))
        for (auto& pod : body["items"]) pods_as_(pod);
    else
        pods_as_(body);
    return {200, {{"Content-Type", "application/json"}}, body.dump()};
}

asio::awaitable<void> FaultyApi::fail(http::Exchange& exchange) {
    static constexpr std::array<std::pair<int, const char*>, 4> failures = {
        {{500, "InternalError"}, {503, "ServiceUnavailable"}, {429, "TooManyRequests"}, {504, "Timeout"}}};
    const auto& [status, reason] = failures[static_cast<std::size_t>(failed_++) % failures.size()];
    co_await exchange.respond(refusal(status, reason));
}

asio::awaitable<void> FaultyApi::pass_on(http::Exchange& exchange) {
    auto request = exchange.request();
    if (auto refused = refusal_of(request)) co_return co_await exchange.respond(*std::move(refused));
    ++passed_on_;
    if (!token_.empty()) request.headers.set("Authorization", "Bearer " + token_);
    if (request.target.contains("watch=")) co_return co_await pass_on_watch(exchange, std::move(request));
    auto answer = co_await upstream_->send(request, 30s);
    co_await exchange.respond(answer ? as_shown(request, *std::move(answer)) : refusal(503, "ServiceUnavailable"));
}

asio::awaitable<void> FaultyApi::pass_on_watch(http::Exchange& exchange, http::Request request) {
    co_await exchange.begin_stream(200, {{"Content-Type", "application/json"}});
    Pipe pipe;
    const auto read = [&]() -> asio::awaitable<void> {
        (void)co_await upstream_->stream(std::move(request), 1h, [&](std::string_view piece) {
            pipe.pieces.emplace_back(piece);
            return true;
        });
        pipe.ended = true;
        co_await pause(1h);  // until what was read is handed over
    };
    const auto hand_over = [&]() -> asio::awaitable<void> {
        while (mood_ == Mood::well && !(pipe.ended && pipe.pieces.empty())) {
            if (expire_watches_) {
                ++expired_;
                const auto gone = status_of(410, "Expired", "too old resource version: 1 (2)");
                (void)co_await exchange.write(Json{{"type", "ERROR"}, {"object", gone}}.dump() + "\n");
                co_return;
            }
            if (pipe.pieces.empty()) {
                co_await pause(5ms);
                continue;
            }
            const auto piece = std::move(pipe.pieces.front());
            pipe.pieces.pop_front();
            if (!co_await exchange.write(piece)) co_return;
        }
    };
    co_await (read() || hand_over() || exchange.closed());
}

}  // namespace toygres::test
