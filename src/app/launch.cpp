#include "app/launch.hpp"

#include "app/embedded_cms.hpp"
#include "app/installation.hpp"
#include "app/manifests.hpp"
#include "app/server.hpp"
#include "app/state_dir.hpp"
#include "app/up.hpp"
#include "base/asio.hpp"
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
                       .seal_key_file = options.seal_key_file,
                       .installation_secret = options.installation_secret,
                       .agent_image = options.agent_image,
                       .storage_class = options.storage_class,
                       .postgres_versions = options.postgres_versions,
                       .templates_directory = options.templates_directory,
                       .alert_webhook = options.alert_webhook,
                       .name = options.name,
                       .log_file = options.log_file,
                       .log_level = options.log_level,
                       .database_connections_max = options.database_connections_max,
                       .migrate = options.migrate,
                       .evict_every_turn = options.evict_every_turn,
                       .keep_executions = options.keep_executions,
                       .keep_ended = std::chrono::days(options.keep_ended_days),
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

asio::awaitable<Result<void>> token_action(std::string conninfo, cli::TokenOptions options) {
    auto connection = co_await pg::Connection::connect(conninfo, options.schema, "toygres token", 10s);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    switch (options.action) {
        case cli::TokenOptions::Action::create: {
            const auto expires = options.expires_in ? std::optional(now() + *options.expires_in) : std::nullopt;
            auto token = co_await cms::create_token(**connection, options.name, options.scope, expires);
            if (!token) co_return std::unexpected(std::move(token).error());
            fmt::print(stderr, "This token is shown once:\n");
            fmt::print("{}\n", token->reveal());
            break;
        }
        case cli::TokenOptions::Action::list: {
            auto tokens = co_await cms::list_tokens(**connection);
            if (!tokens) co_return std::unexpected(std::move(tokens).error());
            fmt::print("{:<32} {:<6} {:<26} {:<26} {}\n", "NAME", "SCOPE", "CREATED", "EXPIRES", "REVOKED");
            const auto text = [](std::optional<Timestamp> t) { return t ? format_rfc3339(*t) : std::string("-"); };
            for (const auto& t : *tokens)
                fmt::print("{:<32} {:<6} {:<26} {:<26} {}\n", t.name, t.scope, format_rfc3339(t.created_at),
                           text(t.expires_at), text(t.revoked_at));
            break;
        }
        case cli::TokenOptions::Action::revoke:
            co_return co_await cms::revoke_token(**connection, options.name);
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
        options.database_url.empty()
            ? EmbeddedCms(StateDir(options.state_dir).cms()).conninfo()
            : reach_database(options.database_url, options.database_password_file, options.installation_secret);
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
            .manifests = manifests};
}

}  // namespace toygres::app
