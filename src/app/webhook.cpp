#include "app/webhook.hpp"

#include "metrics/metrics.hpp"

#include <fmt/format.h>

namespace toygres::app {
namespace {

constexpr std::chrono::seconds answer_timeout{10};

void count(const char* result) {
    metrics::counter("toygres_webhook_posts_total", "Attempts to post an alert to the webhook", {{"result", result}})
        .Increment();
}

// Where the path begins: behind the authority.
std::size_t path_of(const std::string& url) {
    const auto scheme = url.find("://");
    if (scheme == std::string::npos)
        raise(ErrorKind::invalid, "invalid_url", "the webhook must be an http:// or https:// URL");
    return std::min(url.find('/', scheme + 3), url.size());
}

}  // namespace

Webhook::Webhook(asio::any_io_executor executor, const std::string& url)
    : target_(path_of(url) == url.size() ? "/" : url.substr(path_of(url))),
      client_(std::make_unique<http::Client>(
          std::move(executor), http::ClientOptions{.base_url = url.substr(0, path_of(url)), .connections_max = 4})) {}

asio::awaitable<Result<void>> Webhook::post(Json alert) {
    http::Request request{.method = "POST", .target = target_, .body = alert.dump()};
    request.headers.set("Content-Type", "application/json");
    request.headers.set("User-Agent", "toygres/" TOYGRES_VERSION);
    request.headers.set("Idempotency-Key", alert.value("id", ""));
    const auto response = co_await client_->send(std::move(request), answer_timeout);
    const bool taken = response && response->status / 100 == 2;
    count(taken ? "ok" : "failed");
    // Whatever is wrong with the way there, certificates included, is worth another try.
    if (!response) co_return std::unexpected(Error{ErrorKind::transient, "webhook_failed", response.error().message});
    if (!taken)
        co_return std::unexpected(Error{ErrorKind::transient, "webhook_failed",
                                        fmt::format("the webhook answered with status {}", response->status)});
    co_return Result<void>();
}

}  // namespace toygres::app
