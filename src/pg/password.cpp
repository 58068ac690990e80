#include "pg/password.hpp"

#include "pg/conninfo.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>

namespace toygres::pg {

Result<std::string> password_verifier(const std::string& role, const Secret& password) {
    // With the method named, libpq asks the connection for nothing: one that is refused before it is tried will do.
    const char* const keywords[] = {"sslmode", nullptr};
    const char* const values[] = {"unconnected", nullptr};
    const std::unique_ptr<PGconn, decltype(&PQfinish)> unconnected(PQconnectStartParams(keywords, values, 0),
                                                                   &PQfinish);
    const std::unique_ptr<char, decltype(&PQfreemem)> verifier(
        PQencryptPasswordConn(unconnected.get(), password.reveal().c_str(), role.c_str(), "scram-sha-256"), &PQfreemem);
    if (!verifier)
        return std::unexpected(
            Error{ErrorKind::internal, "no_verifier", fmt::format("cannot make a verifier for the role {}", role)});
    return std::string(verifier.get());
}

Result<std::string> with_password_instead(const std::string& conninfo, const Secret& password) {
    // What stands later counts.
    auto with = with_password("dbname=postgres", password);
    if (with) with = conninfo + " " + with->substr(with->find("password="));
    return with;
}

}  // namespace toygres::pg
