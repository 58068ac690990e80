// The verbs that run parts of toygres in place of talking to a server. src/app implements them.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace toygres::cli {

struct UpOptions {
    std::string state_dir;
    unsigned short port;     // 0: the one of last time, or any
    std::string agent_path;  // empty: beside this program
};

struct DownOptions {
    std::string state_dir;
    bool purge;
    bool yes;  // do not ask
};

struct ServerOptions {
    std::string database_url;
    std::string database_password_file;  // empty: none
    std::string schema;
    std::string kubeconfig;  // empty: KUBECONFIG, the pod's service account, ~/.kube/config
    std::string context;
    std::string ns;
    std::string listen_address;
    unsigned short listen_port;
    std::string tls_cert_file;  // empty: plain HTTP
    std::string tls_key_file;
    bool allow_plain_http;
    std::string seal_key_file;        // empty: the installation's
    std::string installation_secret;  // empty: none
    std::string agent_image;
    std::optional<std::string> storage_class;
    std::vector<std::string> postgres_versions;
    std::string templates_directory;  // empty: those of the binary
    std::string alert_webhook;        // empty: none
    std::string otlp_endpoint;        // empty: no traces
    double otlp_sampling;             // of the traces that begin here, 0 to 1
    std::string name;                 // of this process
    std::string log_file;             // empty: stderr
    std::string log_level;
    int rate_limit;  // calls of one token a second; 0: no limit
    int rate_burst;  // that it may make at once
    std::size_t database_connections_max;
    bool migrate;
    bool evict_every_turn;
    int keep_executions;
    int keep_ended_days;
    int keep_audit_days;
    int keep_health_days;
    std::chrono::milliseconds stop_delay;
};

// The embedded cluster's process, which `up` starts.
struct ClusterOptions {
    std::string state_dir;
    std::string agent_path;
};

struct MigrateOptions {
    std::string database_url;
    std::string database_password_file;  // empty: none
    std::string schema;
    std::string installation_secret;
};

struct TokenOptions {
    enum class Action { create, list, revoke };
    Action action;
    std::string name;   // of the token; empty for list
    std::string role;   // viewer | operator | admin
    std::string owner;  // empty: the name
    std::optional<std::chrono::milliseconds> expires_in;
    std::string database_url;  // empty: by the API
    std::string database_password_file;
    std::string schema;
    std::string installation_secret;
};

struct RotateKeyOptions {
    std::string seal_key_file;  // empty: the installation's
    std::string installation_secret;
    std::chrono::milliseconds wait;  // 0: as long as servers may take
};

// What is printed for `kubectl apply`.
struct ManifestsOptions {
    std::string ns;
    bool with_namespace;
    std::string image;
    std::string agent_image;
    int replicas;
    std::string database_url_secret;  // name of a Secret; empty: a database comes with it
    std::string database_image;
    int database_storage_gb;
    std::optional<std::string> storage_class;    // of all disks
    std::vector<std::string> postgres_versions;  // empty: those of the server
    std::string tls_secret;                      // name of a Secret; empty: TLS ends before the server
    std::vector<int> egress_ports;               // more of them, that the server may connect to
    std::string otlp_endpoint;                   // URL of a collector of traces; empty: none
    std::string kube_version;                    // "1.20"; empty: a current one
};

// Each gives the exit code of the process. An empty one is answered as not available in this build.
struct Launcher {
    std::function<int(const UpOptions&)> up;
    std::function<int(const DownOptions&)> down;
    std::function<int(const ServerOptions&)> server;
    std::function<int(const ClusterOptions&)> cluster;
    std::function<int(const MigrateOptions&)> migrate;
    std::function<int(const TokenOptions&)> token;
    std::function<int(const RotateKeyOptions&)> rotate_key;
    std::function<int(const ManifestsOptions&)> manifests;
};

}  // namespace toygres::cli
