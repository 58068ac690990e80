// The certificate and key that this member shows, to clients of postgres and of the agent: as mounted, but never a key
// beside a certificate that it does not belong to.
#pragma once
#include "agent/options.hpp"
#include "base/error.hpp"

#include <string>

namespace toygres::agent {

// Names in the private directory: what postgres is configured with.
inline constexpr auto server_certificate = "server.crt";
inline constexpr auto server_key = "server.key";

struct TlsPair {
    std::string certificate;
    std::string key;
    bool operator==(const TlsPair&) const = default;
};

// tls.crt and tls.key of that directory. While they do not match, because they are being replaced or one of them alone
// was, or cannot be read, the pair that postgres is configured with serves on: neither a start nor a change of roles
// waits for a certificate.
// Errors, when there is no such pair: those of reading the files, with the path; invalid/"certificate_mismatch".
Result<TlsPair> tls_pair(const Options& options, const std::string& directory);

}  // namespace toygres::agent
