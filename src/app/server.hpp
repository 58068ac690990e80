// The server process: the runtime's host, the REST API, and what both work with.
#pragma once
#include "base/error.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace toygres::app {

struct ServerConfig {
    std::string database_url;
    std::string database_password_file{};  // empty: none
    std::string schema = "toygres_cms";
    std::string kubeconfig{};  // empty: KUBECONFIG, the pod's service account, ~/.kube/config
    std::string context{};
    std::string ns = "toygres";
    std::string listen_address = "127.0.0.1";
    unsigned short listen_port = 8080;
    std::string tls_cert_file{};  // with its chain; empty: plain HTTP
    std::string tls_key_file{};
    bool allow_plain_http = false;      // also where others can listen in
    std::string seal_key_file;          // empty: the installation's
    std::string installation_secret{};  // see app/installation.hpp; empty: none
    std::string agent_image = "toygres-agent:" TOYGRES_VERSION;
    std::optional<std::string> storage_class{};
    std::vector<std::string> postgres_versions{"13", "14", "15", "16", "17", "18"};
    std::string templates_directory{};  // empty: those of the binary
    std::string alert_webhook{};        // URL that alerts are posted to; empty: none
    std::string otlp_endpoint{};        // URL of a collector of traces; empty: none
    double otlp_sampling = 1;           // of the traces that begin here, 0 to 1
    std::string name = "toygres";       // of this process, in the table of workers
    std::string log_file{};             // empty: stderr
    std::string log_level = "info";
    int rate_limit = 200;   // calls of one token a second; 0: no limit
    int rate_burst = 1000;  // that it may make at once
    std::size_t database_connections_max = 16;
    bool migrate = true;
    bool evict_every_turn = false;  // test mode of the runtime
    int keep_executions = 3;        // of an orchestration that goes on as new, the current one included
    std::chrono::minutes keep_ended = std::chrono::days(30);
    std::chrono::minutes keep_audit = std::chrono::days(365);
    std::chrono::minutes keep_health = std::chrono::days(30);
    std::chrono::milliseconds stop_delay{0};  // after SIGTERM it still answers for so long
    std::chrono::seconds drain_timeout{9};
};

// Runs until SIGTERM or SIGINT, then drains: exit code 0. 1 when it cannot start, with the reason in one log line.
int run_server(const ServerConfig& config);

}  // namespace toygres::app
