// The server's side of SCRAM-SHA-256 (RFC 5802, 7677) as PostgreSQL speaks it; with channel binding, whose proof is
// taken on trust.
#pragma once
#include "base/error.hpp"

#include <string>
#include <string_view>

namespace toygres::bench {

// As pg_authid keeps it.
struct Verifier {
    std::string salt;
    std::string stored_key;
    std::string server_key;
};
Verifier make_verifier(const std::string& password);

class ScramServer {
  public:
    explicit ScramServer(const Verifier& verifier) : verifier_(verifier) {}

    // The client's first message; gives the answer. Errors: invalid/"bad_scram".
    Result<std::string> first(std::string_view message);
    // The client's last; gives the answer. Errors: invalid/"bad_scram", forbidden/"wrong_password".
    Result<std::string> last(std::string_view message) const;

  private:
    const Verifier& verifier_;
    std::string client_first_bare_;
    std::string server_first_;
};

}  // namespace toygres::bench
