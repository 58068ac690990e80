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

bool is_due(const CertificatePair& pair, const CertificatePolicy& policy, Timestamp at) {
    const auto validity = certificate_validity(pair.certificate_pem);
    if (!validity) return true;
    const auto margin = std::min<std::chrono::milliseconds>(policy.margin, (validity->until - validity->from) / 3);
    return validity->until - at <= margin;
}

bool is_long_lived(const CertificatePair& pair, const CertificatePolicy& policy) {
    const auto validity = certificate_validity(pair.certificate_pem);
    return validity && validity->until - validity->from > long_lived_times * policy.lifetime;
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
    return {issue_certificate(ca, server),
            issue_certificate(ca, {std::string(control_plane_cn), {}, {}, lifetime, false, true})};
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
    for (const auto* pair : {&held.issued.server, &held.issued.client}) {
        if (!is_key_of(pair->private_key_pem.reveal(), pair->certificate_pem)) return Renewal::mismatched;
        if (!is_signed_by(pair->certificate_pem, held.ca_bundle)) return Renewal::untrusted;
        if (is_due(*pair, policy, at)) return Renewal::expiring;
        if (is_long_lived(*pair, policy)) return Renewal::long_lived;
    }
    auto hosts = certificate_names(k8s_name, ns);
    hosts.insert(hosts.end(), addresses.begin(), addresses.end());
    const bool covered = std::ranges::all_of(hosts, [&](const std::string& host) {
        return certificate_covers(held.issued.server.certificate_pem, example_of(host));
    });
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
