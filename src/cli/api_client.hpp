// The REST API as the verbs call it: one call at a time, JSON in and out, problems as errors.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "cli/settings.hpp"
#include "http/client.hpp"

#include <functional>
#include <memory>
#include <string>

namespace toygres::cli {

// What trouble on the way to the server is: worth a retry while a server restarts.
bool is_passing(const Error& error);

class ApiClient {
  public:
    // Throws ErrorException: invalid/"invalid_url", invalid/"bad_tls".
    explicit ApiClient(ApiSettings settings);

    // `target` below /api/v1 or from the root ("/version"). Errors: transient/"server_not_running" with what to do,
    // transient/"server_unreachable", forbidden/"server_untrusted"; what the server answers, by its code and detail.
    Result<Json> call(std::string method, std::string target, Json body = {}, http::Headers headers = {});
    // Throws the error of it.
    Json get(std::string target) { return value_or_raise(call("GET", std::move(target))); }
    // Sent again while the answer gets lost, which `key` makes safe.
    Json send(std::string method, std::string target, Json body, std::string key);

    // Hands the body over as it comes, until it ends or `on_data` returns false.
    Result<void> stream(std::string target, http::Headers headers, std::function<bool(std::string_view)> on_data);

    void pause(std::chrono::milliseconds time);
    const ApiSettings& settings() const { return settings_; }

  private:
    http::Request request(std::string method, std::string target, const Json& body, http::Headers headers) const;
    Error unreachable(const Error& error) const;

    ApiSettings settings_;
    asio::io_context io_{1};
    std::unique_ptr<http::Client> http_;
};

}  // namespace toygres::cli
