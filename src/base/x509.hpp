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
    std::chrono::seconds lifetime;
    bool for_server;
    bool for_client;
};

CertificatePair make_ca(const std::string& common_name, std::chrono::seconds lifetime);
// Signed by `ca`; not valid before an hour ago, so that clocks may differ. Throws ErrorException: invalid/"bad_ca".
CertificatePair issue_certificate(const CertificatePair& ca, const CertificateRequest& request);
// Error: invalid/"bad_certificate".
Result<Timestamp> certificate_expiry(const std::string& certificate_pem);

struct Validity {
    Timestamp from;
    Timestamp until;
};
// Error: invalid/"bad_certificate".
Result<Validity> certificate_validity(const std::string& certificate_pem);
// All three are false for what is no certificate or no key.
// Is this the private key of that certificate?
bool is_key_of(const std::string& private_key_pem, const std::string& certificate_pem);
// Did one of these CA certificates sign it? Says nothing of its validity.
bool is_signed_by(const std::string& certificate_pem, const std::string& ca_bundle_pem);
// Does it prove this host, a DNS name or an IP address, as a client understands it that verifies names?
bool certificate_covers(const std::string& certificate_pem, const std::string& host);

}  // namespace toygres
