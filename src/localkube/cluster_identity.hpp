// What makes a cluster the same after a restart: its CA, its keys, its admin's token, its port. Made once, in files of
// mode 0600.
#pragma once
#include "base/secret.hpp"
#include "base/x509.hpp"

#include <string>

namespace toygres::localkube {

struct ClusterIdentity {
    CertificatePair ca;
    Secret admin_token;
    Secret token_key;  // signs the service accounts' tokens

    // Errors as ErrorException: internal/"file_unreadable", internal/"file_unwritable".
    static ClusterIdentity load_or_make(const std::string& state_dir);

    // For the API server, good for `address` and the names that pods may use.
    CertificatePair server_certificate(const std::string& address) const;
    std::string kubeconfig(const std::string& url, const std::string& ns) const;
};

}  // namespace toygres::localkube
