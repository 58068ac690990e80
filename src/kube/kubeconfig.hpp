// How to reach a cluster and who we are there: kubeconfig files, or the service account of the pod we run in.
#pragma once
#include "base/json.hpp"
#include "base/secret.hpp"
#include "http/client.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::kube {

// A program that prints an ExecCredential (client.authentication.k8s.io v1 or v1beta1).
struct ExecPlugin {
    std::string api_version;
    std::vector<std::string> argv;
    std::map<std::string, std::string> env;
    std::string install_hint;
    bool provide_cluster_info;
};

// A cluster and a user, ready for use: files are read, base64 is decoded.
struct Access {
    std::string source;      // "context prod of /home/x/.kube/config", for messages
    std::string server;      // "https://10.0.0.1:6443"
    std::string default_ns;  // "default" when nothing names one
    http::ClientTls tls;
    Secret token;            // empty: none
    std::string token_file;  // read anew as it changes; empty: none
    std::optional<ExecPlugin> exec{};
};

// The file (a path, or several joined by ':' as in KUBECONFIG); the first file that names a thing wins. `context`
// empty: the current context. Relative paths inside a file start at its directory. Errors:
// not_found/"kubeconfig_not_found", invalid/"bad_kubeconfig" with file and field.
Result<Access> load_kubeconfig(const std::string& paths, const std::string& context = {});

// From KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the files token, ca.crt and namespace of `directory`.
// Errors: not_found/"not_in_cluster".
Result<Access> load_in_cluster(const std::string& directory = "/var/run/secrets/kubernetes.io/serviceaccount");

// What a program started here would use: `paths` when given, else KUBECONFIG, else the pod's service account, else
// ~/.kube/config. Error: not_found/"kubeconfig_not_found" with all the places that were looked at.
Result<Access> find_access(const std::string& paths = {}, const std::string& context = {});

}  // namespace toygres::kube
