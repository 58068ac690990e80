// Who calls: bearer tokens, looked up in the CMS and remembered for a few seconds. Who keeps showing wrong ones waits.
#pragma once
#include "api/access.hpp"
#include "api/lock_out.hpp"
#include "cms/tokens.hpp"
#include "pg/pool.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace toygres::api {

class Authenticator {
  public:
    explicit Authenticator(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

    // By the value of an Authorization header; `network` as of network_of(). A token that was valid here within the
    // last hour is let in from a network that is locked out. Errors: forbidden/"unauthenticated";
    // forbidden/"locked_out" with the detail "retry_after_s"; transient while the CMS is away.
    asio::awaitable<Result<Caller>> authenticate(std::string authorization, std::string network);

  private:
    struct Known {
        cms::Token token;
        std::chrono::steady_clock::time_point looked_up_at;
    };
    asio::awaitable<Result<Caller>> look_up(Secret text, std::string digest, std::string network);
    Error wrong(const std::string& network, std::string message);
    asio::awaitable<void> note_use(cms::Token token);

    std::shared_ptr<pg::Pool> pool_;
    std::unordered_map<std::string, Known> known_;  // by the token's digest
    LockOut lock_out_;
};

}  // namespace toygres::api
