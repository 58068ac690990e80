// X.509 certificates made by ourselves: an instance's own CA, its servers, its clients; the embedded cluster's API.
#pragma once
#include "base/secret.hpp"
#include "base/time.hpp"

#include <string>
#include <vector>

namespace toygres {

struct CertificatePair {
    std::string certificate_pem;
    Secret private_key_pem;  // EC P-256, PKCS#8
};

struct CertificateRequest {
    std::string common_name;
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    std::chrono::hours lifetime;
    bool for_server;
    bool for_client;
};

CertificatePair make_ca(const std::string& common_name, std::chrono::hours lifetime);
// Signed by `ca`; not valid before an hour ago, so that clocks may differ. Throws ErrorException: invalid/"bad_ca".
CertificatePair issue_certificate(const CertificatePair& ca, const CertificateRequest& request);
// Error: invalid/"bad_certificate".
Result<Timestamp> certificate_expiry(const std::string& certificate_pem);

}  // namespace toygres
