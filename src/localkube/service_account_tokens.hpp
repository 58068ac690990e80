// Tokens of service accounts: signed (HS256) JSON web tokens, the same each time for one account, so that a mounted
// token changes only with the key. They do not expire; an account that is deleted is no longer let in.
#pragma once
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace toygres::localkube {

class ServiceAccountTokens {
  public:
    explicit ServiceAccountTokens(Secret key) : key_(std::move(key)) {}

    std::string mint(const std::string& ns, const std::string& account) const;
    struct Account {
        std::string ns;
        std::string name;
    };
    // nullopt for what this key did not sign.
    std::optional<Account> verify(std::string_view token) const;

  private:
    std::string sign(std::string_view text) const;

    Secret key_;
};

}  // namespace toygres::localkube
