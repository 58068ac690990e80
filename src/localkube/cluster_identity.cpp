#include "localkube/cluster_identity.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr std::chrono::hours ca_lifetime{24 * 365 * 10};
// Issued anew at every start.
constexpr std::chrono::hours server_lifetime{24 * 365 * 2};

std::string load_or_make_file(const std::string& path, const std::function<std::string()>& make) {
    auto text = read_file(path);
    if (!text && text.error().kind == ErrorKind::not_found) {
        text = make();
        value_or_raise(write_file_atomically(path, *text, 0600));
    }
    return value_or_raise(std::move(text));
}

}  // namespace

ClusterIdentity ClusterIdentity::load_or_make(const std::string& state_dir) {
    ClusterIdentity out;
    auto key = read_file(state_dir + "/ca.key");
    auto certificate = read_file(state_dir + "/ca.crt");
    if (!key || !certificate) {
        out.ca = make_ca("toygres embedded cluster", ca_lifetime);
        // The key first: a certificate without its key would be taken for whole.
        value_or_raise(write_file_atomically(state_dir + "/ca.key", out.ca.private_key_pem.reveal(), 0600));
        value_or_raise(write_file_atomically(state_dir + "/ca.crt", out.ca.certificate_pem));
    } else {
        out.ca = {*std::move(certificate), Secret(*std::move(key))};
    }
    out.admin_token = Secret(load_or_make_file(state_dir + "/admin.token", [] { return random_hex(48); }));
    out.token_key = Secret(load_or_make_file(state_dir + "/token.key", [] { return random_hex(64); }));
    return out;
}

CertificatePair ClusterIdentity::server_certificate(const std::string& address) const {
    CertificateRequest request{.common_name = "kube-apiserver",
                               .dns_names = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                             "kubernetes.default.svc.cluster.local"},
                               .ip_addresses = {"127.0.0.1"},
                               .lifetime = server_lifetime,
                               .for_server = true,
                               .for_client = false};
    if (address != "127.0.0.1") request.ip_addresses.push_back(address);
    return issue_certificate(ca, request);
}

std::string ClusterIdentity::kubeconfig(const std::string& url, const std::string& ns) const {
    return fmt::format(
        "apiVersion: v1\n"
        "kind: Config\n"
        "clusters:\n"
        "- name: toygres\n"
        "  cluster:\n"
        "    server: {}\n"
        "    certificate-authority-data: {}\n"
        "users:\n"
        "- name: admin\n"
        "  user:\n"
        "    token: {}\n"
        "contexts:\n"
        "- name: toygres\n"
        "  context:\n"
        "    cluster: toygres\n"
        "    user: admin\n"
        "    namespace: {}\n"
        "current-context: toygres\n",
        url, base64_encode(ca.certificate_pem), admin_token.reveal(), ns);
}

}  // namespace toygres::localkube
