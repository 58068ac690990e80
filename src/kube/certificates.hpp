// The certificates of an instance: which names they prove, when they are due, and what its Secrets hold. Nothing here
// talks to the cluster.
#pragma once
#include "base/json.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "base/x509.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace toygres::kube {

// For how long an instance's CA is made. Its key signs and does nothing else, and no pod gets to see it.
inline constexpr std::chrono::hours ca_lifetime{24 * 365 * 10};

// For how long server and client certificates are made, and how much of it may be left when they are renewed: `margin`,
// or a third of the whole where that is less.
struct CertificatePolicy {
    std::chrono::seconds lifetime = std::chrono::hours(24 * 90);
    std::chrono::seconds margin = std::chrono::hours(24 * 7);
};

// Every DNS name of the Services and, by a wildcard, of the members.
std::vector<std::string> certificate_names(const std::string& k8s_name, const std::string& ns);

struct Certificates {
    CertificatePair server;
    CertificatePair client;  // the control plane's
};
// `addresses`: further hosts, IP addresses or names, that the server is reached by. Nothing outlives the CA.
// Throws ErrorException: invalid/"bad_ca".
Certificates issue_certificates(const CertificatePair& ca, const std::string& k8s_name, const std::string& ns,
                                const std::vector<std::string>& addresses, std::chrono::seconds lifetime);

// What the TLS Secret holds.
struct HeldCertificates {
    std::string ca_bundle;
    Certificates issued;
};
// Error: not_found/"secret_key_missing".
Result<HeldCertificates> read_certificates(const Json& tls_secret);

// Why new certificates are needed.
enum class Renewal {
    not_due,
    mismatched,  // the key is another certificate's, or there is none at all
    untrusted,   // not signed by the CA that clients have
    expiring,
    long_lived,  // made for much longer than certificates are made now
    uncovered,   // does not prove a name or address that the server is reached by
};
BOOST_DESCRIBE_ENUM(Renewal, not_due, mismatched, untrusted, expiring, long_lived, uncovered)
Renewal renewal_of(const HeldCertificates& held, const std::string& k8s_name, const std::string& ns,
                   const std::vector<std::string>& addresses, const CertificatePolicy& policy, Timestamp at);

// The annotation that tells of a renewal until it is in the audit trail: {"reason", "old_expiry", "new_expiry"}.
inline constexpr std::string_view renewal_note = "toygres.io/renewal-note";

// The TLS Secret with these certificates and the note in place of what it held; resourceVersion and the rest stay.
Json with_certificates(Json tls_secret, const Certificates& issued, const Json& note);

// What an application needs to connect, as keys of a Secret: username, password, host, port, dbname, uri, jdbc-uri,
// pgpass, ca.crt. The host is the name of the Service in the cluster, and the URIs verify it.
std::map<std::string, std::string> connection_keys(const std::string& password, const std::string& k8s_name,
                                                   const std::string& ns, const std::string& ca_bundle);
// Puts those keys into a Secret as it was read; false: it had them.
bool set_keys(Json& secret, const std::map<std::string, std::string>& keys);

}  // namespace toygres::kube
