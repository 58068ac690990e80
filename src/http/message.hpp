// HTTP messages as plain values; shared by the client and the server. Beast stays in the .cpp files.
#pragma once
#include "base/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace toygres::http {

// Header fields in order; names compare without case.
class Headers {
  public:
    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
    void set(std::string_view name, std::string value);
    // The first field of that name, or an empty view.
    std::string_view get(std::string_view name) const;
    bool has(std::string_view name) const;
    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
    std::string method;  // "GET"
    std::string target;  // path and query, still encoded: "/api/v1/instances?limit=2"
    Headers headers;
    std::string body;
    std::string peer;                             // "127.0.0.1:54321"; empty in a client
    std::optional<std::string> client_cert_cn{};  // subject of a verified client certificate; server side with TLS
};

struct Response {
    int status;
    Headers headers;
    std::string body;
};

// A target taken apart; path and query values percent-decoded.
struct Target {
    std::string path;
    std::vector<std::pair<std::string, std::string>> query;

    // Error: invalid/"invalid_target".
    static Result<Target> parse(std::string_view target);
    // The first value of that name.
    std::optional<std::string> get(std::string_view name) const;
    std::vector<std::string> segments() const;  // "/a/b" -> {"a", "b"}
};

std::string percent_encode(std::string_view text);

std::string_view reason_phrase(int status);

}  // namespace toygres::http
