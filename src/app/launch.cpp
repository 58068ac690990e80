#include "app/launch.hpp"

#include "app/installation.hpp"
#include "app/manifests.hpp"
#include "app/rotate_key.hpp"
#include "app/server.hpp"
#include "app/up.hpp"
#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "cms/audit.hpp"
#include "cms/migrator.hpp"
#include "cms/tokens.hpp"
#include "localkube/cluster.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace toygres::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

int failed(const Error& error) {
    fmt::print(stderr, "toygres: {}\n", error.message);
    return error.kind == ErrorKind::not_found ? 3 : 1;
}

int server(const cli::ServerOptions& options) {
    return run_server({.database_url = options.database_url,
                       .database_password_file = options.database_password_file,
                       .schema = options.schema,
                       .kubeconfig = options.kubeconfig,
                       .context = options.context,
                       .ns = options.ns,
                       .listen_address = options.listen_address,
                       .listen_port = options.listen_port,
                       .tls_cert_file = options.tls_cert_file,
                       .tls_key_file = options.tls_key_file,
                       .allow_plain_http = options.allow_plain_http,
                       .seal_key_file = options.seal_key_file,
                       .installation_secret = options.installation_secret,
                       .agent_image = options.agent_image,
                       .storage_class = options.storage_class,
                       .postgres_versions = options.postgres_versions,
                       .templates_directory = options.templates_directory,
                       .alert_webhook = options.alert_webhook,
                       .otlp_endpoint = options.otlp_endpoint,
                       .otlp_sampling = options.otlp_sampling,
                       .name = options.name,
                       .log_file = options.log_file,
                       .log_level = options.log_level,
                       .rate_limit = options.rate_limit,
                       .rate_burst = options.rate_burst,
                       .database_connections_max = options.database_connections_max,
                       .migrate = options.migrate,
                       .evict_every_turn = options.evict_every_turn,
                       .keep_executions = options.keep_executions,
                       .keep_ended = std::chrono::days(options.keep_ended_days),
                       .keep_audit = std::chrono::days(options.keep_audit_days),
                       .keep_health = std::chrono::days(options.keep_health_days),
                       .stop_delay = options.stop_delay});
}

int cluster(const cli::ClusterOptions& options) {
    return localkube::run_cluster({.state_dir = options.state_dir,
                                   .agent_path = options.agent_path,
                                   .shim_command = {fs::read_symlink("/proc/self/exe").string(), "container-shim"},
                                   // The state directory of `up` holds the CMS, tokens and the sealing key.
                                   .hidden_paths = {fs::path(options.state_dir).parent_path().string()}});
}

int migrate(const cli::MigrateOptions& options) {
    const auto conninfo =
        reach_database(options.database_url, options.database_password_file, options.installation_secret);
    if (!conninfo) return failed(conninfo.error());
    const auto report =
        cms::migrate(*conninfo, options.schema, [](const std::string& name) { fmt::print("applying {}\n", name); });
    if (!report) return failed(report.error());
    fmt::print("schema {} is at migration {} ({} applied now)\n", options.schema, report->version, report->applied);
    return 0;
}

void print_tokens(const std::vector<cms::Token>& tokens) {
    const auto text = [](std::optional<Timestamp> t) { return t ? format_rfc3339(*t) : std::string("-"); };
    constexpr auto row = "{:<32} {:<9} {:<24} {:<26} {:<26} {:<26} {}\n";
    fmt::print(row, "NAME", "ROLE", "OWNER", "CREATED", "LAST USED", "EXPIRES", "REVOKED");
    for (const auto& t : tokens)
        fmt::print(row, t.name, t.role, t.owner, format_rfc3339(t.created_at), text(t.last_used_at), text(t.expires_at),
                   text(t.revoked_at));
}

// What is done straight in the CMS is in the audit, too; who did it, the database knows.
asio::awaitable<Result<void>> keep_audit(pg::Connection& db, std::string action, std::string token) {
    auto added = co_await cms::add_audit(db, {.caller = {},
                                              .owner = {},
                                              .peer = "database",
                                              .action = std::move(action),
                                              .object = std::move(token),
                                              .outcome = "done",
                                              .request_id = random_hex(16)});
    if (!added) co_return std::unexpected(std::move(added).error());
    co_return Result<void>();
}

asio::awaitable<Result<void>> token_action(std::string conninfo, cli::TokenOptions options) {
    auto connection = co_await pg::Connection::connect(conninfo, options.schema, "toygres token", 10s);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    switch (options.action) {
        case cli::TokenOptions::Action::create: {
            const auto expires = options.expires_in ? std::optional(now() + *options.expires_in) : std::nullopt;
            auto token = co_await cms::create_token(**connection, {options.name, options.role, options.owner, expires});
            if (!token) co_return std::unexpected(std::move(token).error());
            if (auto kept = co_await keep_audit(**connection, "token.create", options.name); !kept) co_return kept;
            fmt::print(stderr, "This token is shown once:\n");
            fmt::print("{}\n", token->reveal());
            break;
        }
        case cli::TokenOptions::Action::list: {
            const auto tokens = co_await cms::list_tokens(**connection, {});
            if (!tokens) co_return std::unexpected(tokens.error());
            print_tokens(*tokens);
            break;
        }
        case cli::TokenOptions::Action::revoke:
            if (auto gone = co_await cms::revoke_token(**connection, options.name); !gone)
                co_return std::unexpected(std::move(gone).error());
            co_return co_await keep_audit(**connection, "token.revoke", options.name);
    }
    co_return Result<void>();
}

int manifests(const cli::ManifestsOptions& options) {
    const auto text = render_manifests(options);
    if (!text) return failed(text.error());
    fmt::print("{}", *text);
    return 0;
}

int token(const cli::TokenOptions& options) {
    const auto conninfo =
        reach_database(options.database_url, options.database_password_file, options.installation_secret);
    if (!conninfo) return failed(conninfo.error());
    asio::io_context io;
    Result<void> done;
    asio::co_spawn(io, token_action(*conninfo, options), [&](std::exception_ptr e, Result<void> result) {
        if (e) std::rethrow_exception(e);
        done = std::move(result);
    });
    io.run();
    return done ? 0 : failed(done.error());
}

}  // namespace

cli::Launcher make_launcher() {
    return {.up = [](const cli::UpOptions& o) { return run_up({o.state_dir, o.port, o.agent_path}); },
            .down = [](const cli::DownOptions& o) { return run_down({o.state_dir, o.purge}); },
            .server = server,
            .cluster = cluster,
            .migrate = migrate,
            .token = token,
            .rotate_key =
                [](const cli::RotateKeyOptions& o) {
                    return run_rotate_key({o.seal_key_file, o.installation_secret, o.wait});
                },
            .manifests = manifests};
}

}  // namespace toygres::app
