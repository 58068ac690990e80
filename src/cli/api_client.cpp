#include "cli/api_client.hpp"

#include <fmt/format.h>

#include <optional>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto call_timeout = 30s;
constexpr auto silence_max = 24h;  // of a stream
constexpr int resends_max = 20;
constexpr auto resend_pause = 500ms;

// Runs a coroutine to its end.
template <class T> T complete(asio::io_context& io, asio::awaitable<T> task) {
    std::optional<T> out;
    std::exception_ptr failure;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr e, T value) {
        failure = e;
        out.emplace(std::move(value));
    });
    io.restart();
    io.run();
    if (failure) std::rethrow_exception(failure);
    return *std::move(out);
}

ErrorKind kind_of(int status) {
    switch (status) {
        case 400:
        case 413:
        case 415:
        case 422:
            return ErrorKind::invalid;
        case 401:
        case 403:
            return ErrorKind::forbidden;
        case 404:
            return ErrorKind::not_found;
        case 409:
            return ErrorKind::conflict;
        case 429:
        case 502:
        case 503:
            return ErrorKind::transient;
        case 504:
            return ErrorKind::timeout;
        default:
            return ErrorKind::internal;
    }
}

std::string text_of(const Json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Error problem_of(const http::Response& response) {
    const auto json = parse_json(response.body);
    if (!json || !json->is_object() || text_of(*json, "code").empty())
        return {kind_of(response.status), "unexpected_answer",
                fmt::format("the server answers {} {}; is this a toygres server?", response.status,
                            http::reason_phrase(response.status))};
    auto message = text_of(*json, "detail");
    if (response.status == 401)
        message +=
            "; log in with toygres login, or give a token with --token-file, TOYGRES_API_TOKEN or the state directory "
            "of \"toygres up\"";
    if (response.status == 500) message += fmt::format(" ({})", text_of(*json, "request_id"));
    return {kind_of(response.status), text_of(*json, "code"), message};
}

}  // namespace

bool is_passing(const Error& error) { return error.retryable(); }

ApiClient::ApiClient(ApiSettings settings) : settings_(std::move(settings)) {
    http::ClientOptions options{.base_url = settings_.api_url};
    if (!settings_.ca_pem.empty()) options.tls = http::ClientTls{.ca_pem = settings_.ca_pem};
    http_ = std::make_unique<http::Client>(io_.get_executor(), std::move(options));
}

http::Request ApiClient::request(std::string method, std::string target, const Json& body,
                                 http::Headers headers) const {
    http::Request out{std::move(method), std::move(target), std::move(headers), {}, {}};
    if (!settings_.token.empty()) out.headers.set("Authorization", "Bearer " + settings_.token.reveal());
    out.headers.set("User-Agent", "toygres/" TOYGRES_VERSION);
    if (!body.is_null()) {
        out.headers.set("Content-Type", "application/json");
        out.body = body.dump();
    }
    return out;
}

Error ApiClient::unreachable(const Error& error) const {
    if (error.code == "tls_untrusted")
        return {
            ErrorKind::forbidden, "server_untrusted",
            fmt::format("{} is not to be trusted: {}; give its CA with --ca-file", settings_.api_url, error.message)};
    auto why = error.message;
    if (error.code != "connect_failed")
        return {ErrorKind::transient, "server_unreachable", fmt::format("lost {}: {}", settings_.api_url, why)};
    if (const auto colon = why.rfind(": "); colon != std::string::npos) why = why.substr(colon + 2);
    const bool here =
        settings_.is_local || settings_.api_url.contains("127.0.0.1") || settings_.api_url.contains("localhost");
    return {ErrorKind::transient, "server_not_running",
            fmt::format("cannot reach {}: {}; {}", settings_.api_url, why,
                        here ? "is the server running? start it with: toygres up"
                             : "is the server running, and is --api-url right?")};
}

Result<Json> ApiClient::call(std::string method, std::string target, Json body, http::Headers headers) {
    auto response = complete(
        io_, http_->send(request(std::move(method), std::move(target), body, std::move(headers)), call_timeout));
    if (!response) return std::unexpected(unreachable(response.error()));
    if (response->status / 100 != 2) return std::unexpected(problem_of(*response));
    return parse_json(response->body);
}

Json ApiClient::send(std::string method, std::string target, Json body, std::string key) {
    for (int tries = 1;; ++tries) {
        auto answer = call(method, target, body, {{"Idempotency-Key", key}});
        // Nobody there at the first try is worth telling at once; a server that was there is coming back.
        const bool gone = !answer && answer.error().code == "server_not_running" && tries == 1;
        if (answer || gone || !is_passing(answer.error()) || tries > resends_max)
            return value_or_raise(std::move(answer));
        pause(resend_pause);
    }
}

Result<void> ApiClient::stream(std::string target, http::Headers headers,
                               std::function<bool(std::string_view)> on_data) {
    auto response = complete(io_, http_->stream(request("GET", std::move(target), Json(), std::move(headers)),
                                                silence_max, std::move(on_data)));
    if (!response) return std::unexpected(unreachable(response.error()));
    if (response->status / 100 != 2) return std::unexpected(problem_of(*response));
    return {};
}

void ApiClient::pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(io_, time);
    timer.async_wait([](boost::system::error_code) {});
    io_.restart();
    io_.run();
}

}  // namespace toygres::cli
