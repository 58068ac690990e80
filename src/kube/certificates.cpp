#include "kube/certificates.hpp"

#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "http/message.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::kube {
namespace {

// Certificates of releases that made them for ten years are exchanged too.
constexpr int long_lived_times = 2;

bool is_ip_address(const std::string& host) {
    boost::system::error_code error;
    asio::ip::make_address(host, error);
    return !error;
}

// A host that the name stands for.
std::string example_of(const std::string& name) { return name.starts_with('*') ? "member" + name.substr(1) : name; }

bool is_due(const Validity& validity, const CertificatePolicy& policy, Timestamp at) {
    const auto margin = std::min<std::chrono::milliseconds>(policy.margin, (validity.until - validity.from) / 3);
    return validity.until - at <= margin;
}

bool is_long_lived(const Validity& validity, const CertificatePolicy& policy) {
    return validity.until - validity.from > long_lived_times * policy.lifetime;
}

Renewal renewal_of(const Result<Certificate>& certificate, const Secret& key, const std::string& ca_bundle,
                   const CertificatePolicy& policy, Timestamp at) {
    if (!certificate || !certificate->has_key(std::string(key.reveal()))) return Renewal::mismatched;
    if (!certificate->is_signed_by(ca_bundle)) return Renewal::untrusted;
    if (is_due(certificate->validity(), policy, at)) return Renewal::expiring;
    return is_long_lived(certificate->validity(), policy) ? Renewal::long_lived : Renewal::not_due;
}

}  // namespace

std::vector<std::string> certificate_names(const std::string& k8s_name, const std::string& ns) {
    std::vector<std::string> names{"localhost"};
    for (const auto& service : {rw_service(k8s_name), ro_service(k8s_name)})
        for (const auto& suffix : {std::string(), "." + ns, "." + ns + ".svc", "." + ns + ".svc.cluster.local"})
            names.push_back(service + suffix);
    for (const auto& suffix : {"." + ns, "." + ns + ".svc", "." + ns + ".svc.cluster.local"})
        names.push_back("*." + members_service(k8s_name) + suffix);
    return names;
}

Certificates issue_certificates(const CertificatePair& ca, const std::string& k8s_name, const std::string& ns,
                                const std::vector<std::string>& addresses, std::chrono::seconds lifetime) {
    if (const auto end = certificate_expiry(ca.certificate_pem))
        lifetime = std::min(lifetime, std::chrono::duration_cast<std::chrono::seconds>(*end - now()));
    CertificateRequest server{k8s_name, certificate_names(k8s_name, ns), {"127.0.0.1"}, lifetime, true, false};
    for (const auto& address : addresses)
        (is_ip_address(address) ? server.ip_addresses : server.dns_names).push_back(address);
    const Issuer issuer(ca);
    return {issuer.issue(server), issuer.issue({std::string(control_plane_cn), {}, {}, lifetime, false, true})};
}

Result<HeldCertificates> read_certificates(const Json& tls_secret) {
    HeldCertificates out{};
    for (const auto& [key, text] : {std::pair{"ca.crt", &out.ca_bundle},
                                    {"tls.crt", &out.issued.server.certificate_pem},
                                    {"client.crt", &out.issued.client.certificate_pem}}) {
        const auto value = secret_value(tls_secret, key);
        if (!value) return std::unexpected(value.error());
        *text = value->reveal();
    }
    for (const auto& [key, secret] : {std::pair{"tls.key", &out.issued.server.private_key_pem},
                                      {"client.key", &out.issued.client.private_key_pem}}) {
        auto value = secret_value(tls_secret, key);
        if (!value) return std::unexpected(value.error());
        *secret = *std::move(value);
    }
    return out;
}

Renewal renewal_of(const HeldCertificates& held, const std::string& k8s_name, const std::string& ns,
                   const std::vector<std::string>& addresses, const CertificatePolicy& policy, Timestamp at) {
    const auto server = Certificate::read(held.issued.server.certificate_pem);
    const auto client = Certificate::read(held.issued.client.certificate_pem);
    for (const auto& [certificate, key] : {std::pair(&server, &held.issued.server.private_key_pem),
                                           std::pair(&client, &held.issued.client.private_key_pem)})
        if (const auto why = renewal_of(*certificate, *key, held.ca_bundle, policy, at); why != Renewal::not_due)
            return why;
    auto hosts = certificate_names(k8s_name, ns);
    hosts.insert(hosts.end(), addresses.begin(), addresses.end());
    const bool covered =
        std::ranges::all_of(hosts, [&](const std::string& host) { return server->covers(example_of(host)); });
    return covered ? Renewal::not_due : Renewal::uncovered;
}

Json with_certificates(Json tls_secret, const Certificates& issued, const Json& note) {
    set_keys(tls_secret, {{"tls.crt", issued.server.certificate_pem},
                          {"tls.key", issued.server.private_key_pem.reveal()},
                          {"client.crt", issued.client.certificate_pem},
                          {"client.key", issued.client.private_key_pem.reveal()}});
    tls_secret["metadata"]["annotations"][std::string(renewal_note)] = note.dump();
    return tls_secret;
}

std::map<std::string, std::string> connection_keys(const std::string& password, const std::string& k8s_name,
                                                   const std::string& ns, const std::string& ca_bundle) {
    const auto host = fmt::format("{}.{}.svc.cluster.local", rw_service(k8s_name), ns);
    const auto encoded = http::percent_encode(password);
    std::string escaped;
    for (const char c : password) {
        if (c == ':' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return {{"username", "postgres"},
            {"password", password},
            {"host", host},
            {"port", "5432"},
            {"dbname", "postgres"},
            {"uri", fmt::format("postgresql://postgres:{}@{}:5432/postgres?sslmode=verify-full", encoded, host)},
            {"jdbc-uri", fmt::format("jdbc:postgresql://{}:5432/postgres?user=postgres&password={}&sslmode=verify-full",
                                     host, encoded)},
            {"pgpass", fmt::format("{}:5432:*:postgres:{}\n", host, escaped)},
            {"ca.crt", ca_bundle}};
}

bool set_keys(Json& secret, const std::map<std::string, std::string>& keys) {
    bool changed = false;
    auto& data = secret["data"];
    if (!data.is_object()) data = Json::object();
    for (const auto& [key, value] : keys) {
        auto encoded = base64_encode(value);
        if (data.value(key, "") == encoded) continue;
        data[key] = std::move(encoded);
        changed = true;
    }
    return changed;
}

}  // namespace toygres::kube
