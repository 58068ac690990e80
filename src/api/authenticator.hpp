// Who calls: bearer tokens, looked up in the CMS and remembered for a few seconds.
#pragma once
#include "cms/tokens.hpp"
#include "pg/pool.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace toygres::api {

enum class Scope { open, read, write };

struct Caller {
    std::string name;  // of the token
    Scope scope;
    Secret token;
};

class Authenticator {
  public:
    explicit Authenticator(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

    // By the value of an Authorization header. Errors: forbidden/"unauthenticated"; transient while the CMS is away.
    asio::awaitable<Result<Caller>> authenticate(std::string authorization);

  private:
    struct Known {
        cms::Token token;
        std::chrono::steady_clock::time_point until;
    };
    std::shared_ptr<pg::Pool> pool_;
    std::unordered_map<std::string, Known> known_;  // by the token's digest
};

}  // namespace toygres::api
