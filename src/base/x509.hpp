// X.509 certificates made by ourselves: an instance's own CA, its servers, its clients; the embedded cluster's API.
#pragma once
#include "base/secret.hpp"
#include "base/time.hpp"

#include <memory>
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
// Error: invalid/"bad_certificate".
Result<Timestamp> certificate_expiry(const std::string& certificate_pem);

// To read PEM costs more than to sign by it: what signs or is asked several things is read once.

// A CA that signs. Not valid before an hour ago, so that clocks may differ.
class Issuer {
  public:
    // Throws ErrorException: invalid/"bad_ca".
    explicit Issuer(const CertificatePair& ca);
    ~Issuer();
    Issuer(const Issuer&) = delete;
    Issuer& operator=(const Issuer&) = delete;
    // Throws ErrorException: invalid/"bad_certificate_request".
    CertificatePair issue(const CertificateRequest& request) const;

  private:
    struct Parsed;
    std::unique_ptr<const Parsed> parsed_;
};
// The same, once.
CertificatePair issue_certificate(const CertificatePair& ca, const CertificateRequest& request);

struct Validity {
    Timestamp from;
    Timestamp until;
};

class Certificate {
  public:
    // Error: invalid/"bad_certificate".
    static Result<Certificate> read(const std::string& pem);
    Certificate(Certificate&&) noexcept;
    Certificate& operator=(Certificate&&) noexcept;
    ~Certificate();

    Validity validity() const { return validity_; }
    // Is this its private key? false also for what is no key.
    bool has_key(const std::string& private_key_pem) const;
    // Did one of these CA certificates sign it? Says nothing of its validity.
    bool is_signed_by(const std::string& ca_bundle_pem) const;
    // Does it prove this host, a DNS name or an IP address, as a client understands it that verifies names?
    bool covers(const std::string& host) const;

  private:
    struct Parsed;
    Certificate(std::unique_ptr<const Parsed> parsed, Validity validity);
    std::unique_ptr<const Parsed> parsed_;
    Validity validity_;
};

// Is this the private key of that certificate? false also for what is neither.
bool is_key_of(const std::string& private_key_pem, const std::string& certificate_pem);

}  // namespace toygres
