#include "app/server.hpp"

#include "activities/drift.hpp"
#include "activities/instance_services.hpp"
#include "activities/registry.hpp"
#include "api/api.hpp"
#include "app/installation.hpp"
#include "app/listening.hpp"
#include "app/manifests.hpp"
#include "app/otlp_exporter.hpp"
#include "app/rotate_key.hpp"
#include "app/server_metrics.hpp"
#include "app/webhook.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/seal_keys.hpp"
#include "cms/audit.hpp"
#include "cms/drift.hpp"
#include "cms/migrator.hpp"
#include "cms/sealed.hpp"
#include "cms/tokens.hpp"
#include "http/server.hpp"
#include "kube/certificates.hpp"
#include "kube/client.hpp"
#include "kube/inspect.hpp"
#include "metrics/metrics.hpp"
#include "orchestrations/keep_certificates.hpp"
#include "orchestrations/registry.hpp"
#include "orchestrations/supervisor.hpp"
#include "pg/conninfo.hpp"
#include "runtime/host/client.hpp"
#include "runtime/host/host.hpp"
#include "runtime/store/pg_store.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <malloc.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace toygres::app {
namespace {

using namespace std::chrono_literals;
namespace rt = runtime;

constexpr auto supervisor_interval = 30s;
constexpr auto retention_interval = 60s;
constexpr auto first_retention = 5s;  // also of servers that are started again and again
constexpr auto certificates_interval = 1h;
constexpr auto retry_interval = 500ms;
constexpr int prune_batch = 5000;

int cannot_start(const Error& error) {
    log::error("server.cannot_start", {{"code", error.code}, {"message", error.message}});
    return 1;
}

// A fleet's sessions are more files than a process may have unless it asks.
void raise_file_limit() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

// Log-ins and handshakes leave holes behind. One thread does nearly all, so more arenas than one only keep more of
// them, and what is free at the end goes back at once.
void keep_memory_small() {
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

// Half of the files that there may be; the rest is for the sessions to a fleet.
std::size_t connections_max() {
    constexpr rlim_t most = 16'384;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 512;
    return std::min(most, files.rlim_cur / 2);
}

// Waits for the database as long as nobody says stop; SIGTERM still has its default action here.
Result<void> bring_schema_up(const ServerConfig& config) {
    for (bool told = false;; std::this_thread::sleep_for(retry_interval)) {
        auto report = cms::migrate(config.database_url, config.schema, [](const std::string& name) {
            log::info("migration.applying", {{"migration", name}});
        });
        if (report && report->version > cms::latest_migration())
            log::warning("schema.ahead", {{"schema", report->version}, {"release", cms::latest_migration()}});
        if (report) return {};
        if (!report.error().retryable()) return std::unexpected(report.error());
        if (!std::exchange(told, true))
            log::warning("server.waiting_for_database", {{"message", report.error().message}});
    }
}

// Waits for the Kubernetes API in the same way. nullopt: none is named.
Result<std::optional<Installation>> await_installation(const ServerConfig& config, const kube::Access& access) {
    if (config.installation_secret.empty()) return std::nullopt;
    for (bool told = false;; std::this_thread::sleep_for(retry_interval)) {
        auto found = find_installation(access, config.installation_secret);
        if (found) return *std::move(found);
        if (!found.error().retryable()) return std::unexpected(found.error());
        if (!std::exchange(told, true))
            log::warning("server.waiting_for_cluster", {{"message", found.error().message}});
    }
}

asio::awaitable<Result<void>> keep_token(std::string database_url, std::string schema, Secret token) {
    auto connection = co_await pg::Connection::connect(database_url, schema, "toygres", 10s);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    co_return co_await cms::keep_token(**connection, "installation", std::move(token));
}

Result<std::string> find_database(const ServerConfig& config, const std::optional<Installation>& installation) {
    if (!config.database_password_file.empty())
        return with_password_file(config.database_url, config.database_password_file);
    return installation ? pg::with_password(config.database_url, installation->database_password)
                        : Result<std::string>(config.database_url);
}

// The token that comes with the installation, until somebody revokes it.
Result<void> keep_first_token(const ServerConfig& config, const Secret& token) {
    for (;; std::this_thread::sleep_for(retry_interval)) {
        asio::io_context io;
        Result<void> kept;
        asio::co_spawn(io, keep_token(config.database_url, config.schema, token),
                       [&](std::exception_ptr e, Result<void> result) {
                           if (e) std::rethrow_exception(e);
                           kept = std::move(result);
                       });
        io.run();
        if (kept || !kept.error().retryable()) return kept;
    }
}

asio::awaitable<Result<std::string>> read_id(std::string database_url, std::string schema) {
    auto connection = co_await pg::Connection::connect(database_url, schema, "toygres", 10s);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    co_return co_await cms::get_installation(**connection);
}

// What marks objects in the cluster as this installation's own.
Result<std::string> find_id(const ServerConfig& config) {
    for (bool told = false;; std::this_thread::sleep_for(retry_interval)) {
        asio::io_context io;
        Result<std::string> id;
        asio::co_spawn(io, read_id(config.database_url, config.schema),
                       [&](std::exception_ptr e, Result<std::string> result) {
                           if (e) std::rethrow_exception(e);
                           id = std::move(result);
                       });
        io.run();
        if (id || !id.error().retryable()) return id;
        if (!std::exchange(told, true)) log::warning("server.waiting_for_database", {{"message", id.error().message}});
    }
}

asio::awaitable<void> keep_supervisor(rt::Client& client, rt::Clock& clock) {
    const auto executor = co_await asio::this_coro::executor;
    rt::Pause pause(executor, clock);
    for (;;) {
        const auto started = co_await client.start<orchestrations::Supervisor>(
            std::string(orchestrations::Supervisor::id), {std::chrono::milliseconds(supervisor_interval).count()},
            rt::OnConflict::replace_terminal);
        if (!started && !started.error().retryable())
            log::error("supervisor.not_started",
                       {{"code", started.error().code}, {"message", started.error().message}});
        co_await pause.wait(started ? 60s : 1s);
    }
}

// A look at once, for what became due while no server ran.
asio::awaitable<void> keep_certificates(rt::Client& client, rt::Clock& clock) {
    using orchestrations::KeepCertificates;
    const kube::CertificatePolicy policy;
    const auto executor = co_await asio::this_coro::executor;
    rt::Pause pause(executor, clock);
    for (bool woken = false;;) {
        const auto started = co_await client.start<KeepCertificates>(
            std::string(KeepCertificates::id),
            {std::chrono::milliseconds(certificates_interval).count(), policy.lifetime.count(), policy.margin.count()},
            rt::OnConflict::replace_terminal);
        if (!started && !started.error().retryable())
            log::error("certificates.not_kept", {{"code", started.error().code}, {"message", started.error().message}});
        if (!woken) woken = (co_await client.signal(std::string(KeepCertificates::id), "wake", {})).has_value();
        co_await pause.wait(woken ? 60s : 1s);
    }
}

// What has ended long ago goes: of the monitors, which never end, all executions but the last few.
asio::awaitable<void> keep_retention(rt::Client& client, rt::Clock& clock, const ServerConfig& config) {
    const std::vector<rt::Retention> rules{{"", config.keep_executions, config.keep_ended}};
    rt::Pause pause(co_await asio::this_coro::executor, clock);
    for (auto next = first_retention;; next = retention_interval) {
        co_await pause.wait(next);
        const auto pruned = co_await client.prune(rules);
        if (!pruned && !pruned.error().retryable())
            log::error("retention.failed", {{"code", pruned.error().code}, {"message", pruned.error().message}});
        if (pruned && pruned->turns + pruned->orchestrations > 0)
            log::info("retention.pruned", {{"turns", pruned->turns}, {"orchestrations", pruned->orchestrations}});
    }
}

using Prune = asio::awaitable<Result<int>> (*)(pg::Connection& db, std::chrono::minutes older_than, int batch);

// What is on record of `what` goes after its time, in batches that hold nobody up.
asio::awaitable<void> keep_record(std::string what, Prune prune, std::shared_ptr<pg::Pool> pool, rt::Clock& clock,
                                  std::chrono::minutes keep) {
    rt::Pause pause(co_await asio::this_coro::executor, clock);
    for (auto next = first_retention;;) {
        co_await pause.wait(next);
        auto lease = co_await pool->acquire();
        const auto gone =
            lease ? co_await prune(**lease, keep, prune_batch) : Result<int>(std::unexpected(lease.error()));
        if (!gone && !gone.error().retryable())
            log::error(what + ".not_pruned", {{"code", gone.error().code}, {"message", gone.error().message}});
        if (gone && *gone > 0) log::info(what + ".pruned", {{"entries", *gone}});
        next = gone && *gone >= prune_batch ? 1s : retention_interval;
    }
}

class Server {
  public:
    Server(const ServerConfig& config, std::optional<http::ServerTls> tls, kube::Access access,
           kube::Templates templates, Sealer sealer, std::string installation)
        : config_(config),
          tls_(std::move(tls)),
          templates_(std::move(templates)),
          sealer_(std::move(sealer)),
          clock_(io_.get_executor()),
          pool_(make_pool(config.database_connections_max - config.database_connections_max / 2)),
          api_pool_(make_pool(config.database_connections_max / 2)),
          store_(io_.get_executor(), {.conninfo = config.database_url, .schema = config.schema}, pool_),
          kube_(io_.get_executor(), std::move(access), {.on_attempt = count_kube_attempt}),
          host_(io_, store_, clock_, orchestrations_, activities_, services_,
                {.name = config.name,
                 .callers_wait = [this] { return api_pool_->waiting() > 0; },
                 .evict_every_turn = config.evict_every_turn}),
          client_(io_.get_executor(), store_, clock_, &host_),
          instances_(pool_, kube_, templates_, sealer_, client_, config.agent_image, config.storage_class,
                     (std::filesystem::temp_directory_path() / ("toygres-" + random_hex(12))).string(),
                     std::move(installation)),
          api_({.io = io_,
                .pool = api_pool_,
                .client = client_,
                .kube = kube_,
                .sealer = sealer_,
                .ns = config.ns,
                .name = config.name,
                .permissions = server_permissions(config.ns),
                .storage_class = config.storage_class,
                .postgres_versions = config.postgres_versions,
                .rate = {.per_second = config.rate_limit, .burst = config.rate_burst},
                .readiness = [this] { return readiness(); },
                .ask_members =
                    [this](std::string k8s_name, std::string ns, std::vector<std::string> members) {
                        return instances_.ask_members({"", std::move(k8s_name), std::move(ns)}, std::move(members));
                    },
                .find_drift = [this](std::chrono::milliseconds grace,
                                     bool remove_volumes) { return find_drift({grace, remove_volumes}); },
                .view_runtime = [this](const std::string& id_prefix,
                                       std::size_t most) { return host_.view(id_prefix, most); },
                .observe = [this] { observe(); },
                .knows_orchestration =
                    [this](const std::string& type) { return orchestrations_.latest(type) != nullptr; }}),
          http_(io_,
                {.address = config.listen_address,
                 .port = config.listen_port,
                 .tls = tls_,
                 .connections_max = connections_max(),
                 .error_page = [this](int status, std::string_view detail) { return api_.error_page(status, detail); }},
                [this](http::Exchange& exchange) { return api_.handle(exchange); }),
          signals_(io_, SIGTERM, SIGINT),
          hang_ups_(io_, SIGHUP) {
        orchestrations::register_orchestrations(orchestrations_);
        activities::register_activities(activities_);
        services_.provide(instances_);
        services_.provide(client_);
        if (!config.alert_webhook.empty()) {
            webhook_.emplace(io_.get_executor(), config.alert_webhook);
            instances_.post_alert = [this](Json alert) { return webhook_->post(std::move(alert)); };
        }
        if (!config.otlp_endpoint.empty()) {
            traces_.emplace(io_.get_executor(),
                            OtlpOptions{.endpoint = config.otlp_endpoint,
                                        .instance = config.name + "-" + std::to_string(::getpid())});
            trace::enable([this](trace::Span span) { traces_->add(std::move(span)); }, config.otlp_sampling);
        }
        declare_metrics();
        host_.on_finished = [this](const runtime::OrchestrationRow& row, bool latest) {
            client_.finished(row, latest);
        };
        host_.on_answered = [this](const std::string& name) { client_.answered(name); };
    }

    ~Server() { trace::disable(); }

    void run() {
        http_.start();
        log::info("server.listening", {{"address", config_.listen_address},
                                       {"port", http_.port()},
                                       {"tls", tls_.has_value()},
                                       {"pid", ::getpid()},
                                       {"cluster", kube_.access().source}});
        asio::co_spawn(io_, host_.start(), asio::detached);
        asio::co_spawn(io_, keep_supervisor(client_, clock_), asio::detached);
        asio::co_spawn(io_, keep_certificates(client_, clock_), asio::detached);
        asio::co_spawn(io_, keep_retention(client_, clock_, config_), asio::detached);
        asio::co_spawn(io_, keep_record("audit", cms::prune_audit, pool_, clock_, config_.keep_audit), asio::detached);
        asio::co_spawn(io_, keep_record("health", cms::prune_health, pool_, clock_, config_.keep_health),
                       asio::detached);
        if (traces_) asio::co_spawn(io_, traces_->run(), asio::detached);
        asio::co_spawn(io_, watch_cluster(), asio::detached);
        asio::co_spawn(io_, follow_files(), asio::detached);
        asio::co_spawn(io_, follow_hang_ups(), asio::detached);
        signals_.async_wait([this](boost::system::error_code ec, int number) {
            if (ec) return;
            draining_ = true;
            log::info("server.draining", {{"signal", number}});
            asio::co_spawn(io_, drain(), asio::detached);
        });
        io_.run();
        log::info("server.stopped");
    }

  private:
    api::Readiness readiness() const {
        return {.database = host_.healthy(),
                .kubernetes = cluster_reachable_,
                .runtime = !draining_ && host_.owned_shards() > 0};
    }

    asio::awaitable<Json> find_drift(activities::DriftPolicy policy) {
        co_return encode(co_await activities::find_drift(instances_, config_.ns, policy));
    }

    std::shared_ptr<pg::Pool> make_pool(std::size_t connections_max) {
        return std::make_shared<pg::Pool>(io_.get_executor(), pg::PoolOptions{.conninfo = config_.database_url,
                                                                              .search_path = config_.schema,
                                                                              .application_name = "toygres",
                                                                              .connections_max = connections_max,
                                                                              .on_acquired = count_acquired});
    }

    void observe() const {
        observe_pools({pool_.get(), api_pool_.get()});
        metrics::gauge("toygres_runtime_live_orchestrations", "Open orchestrations in the memory of this process")
            .Set(static_cast<double>(host_.live_count()));
        metrics::gauge("toygres_runtime_owned_shards", "Shards that this process owns")
            .Set(static_cast<double>(host_.owned_shards()));
        metrics::gauge("toygres_runtime_parked_orchestrations", "Orchestrations that are parked here")
            .Set(static_cast<double>(host_.stuck_count()));
    }

    asio::awaitable<void> watch_cluster() {
        rt::Pause pause(io_.get_executor(), clock_);
        for (;;) {
            const auto version = co_await kube_.version();
            const bool reachable = version.has_value();
            if (reachable != cluster_reachable_ && !reachable)
                log::warning("cluster.unreachable",
                             {{"code", version.error().code}, {"message", version.error().message}});
            if (reachable != cluster_reachable_ && reachable) log::info("cluster.reached");
            cluster_reachable_ = reachable;
            metrics::gauge("toygres_kube_up", "1 while the Kubernetes API answers").Set(reachable ? 1 : 0);
            co_await pause.wait(reachable ? 5s : 500ms);
        }
    }

    asio::awaitable<void> follow_files() {
        asio::steady_timer timer(io_);
        for (;;) {
            const bool file = !config_.seal_key_file.empty();
            timer.expires_after(key_file_interval);
            co_await timer.async_wait(use);
            reload_certificate();
            const auto at = std::chrono::steady_clock::now();
            if (file || at - keys_read_at_ >= key_secret_interval) co_await reload_keys();
        }
    }

    asio::awaitable<void> follow_hang_ups() {
        for (;;) {
            const auto [error, number] = co_await hang_ups_.async_wait(use);
            if (error) co_return;
            log::info("server.reloading");
            reload_certificate();
            co_await reload_keys();
        }
    }

    // What is shown stays until the files are good.
    void reload_certificate() {
        try {
            auto tls = value_or_raise(read_tls(config_));
            if (!tls || same_pair(*tls, *tls_)) {
                refused_.clear();
                return;
            }
            http_.replace_tls(*tls);
            tls_ = std::move(tls);
            refused_.clear();
            log::info("certificate.replaced");
        } catch (const ErrorException& e) {
            if (std::exchange(refused_, e.error().message) != e.error().message)
                log::warning("certificate.refused", {{"code", e.error().code}, {"message", e.error().message}});
        }
    }

    asio::awaitable<Result<Secret>> read_keys() {
        if (!config_.seal_key_file.empty()) {
            const auto text = read_file(config_.seal_key_file);
            if (!text) co_return std::unexpected(text.error());
            co_return parse_seal_keys(*text);
        }
        const auto secret =
            co_await kube_.get(kube::resource("Secret", kube_.access().default_ns, config_.installation_secret));
        if (!secret) co_return std::unexpected(secret.error());
        const auto text = kube::secret_value(*secret, installation_seal_key);
        if (!text) co_return std::unexpected(text.error());
        co_return parse_seal_keys(text->reveal());
    }

    // The keys in use stay until those that are read are good.
    asio::awaitable<void> reload_keys() {
        keys_read_at_ = std::chrono::steady_clock::now();
        auto keys = co_await read_keys();
        const auto why = keys || keys.error().retryable() ? std::string() : keys.error().message;
        if (std::exchange(keys_refused_, why) != why && !why.empty())
            log::warning("seal_key.refused", {{"code", keys.error().code}, {"message", why}});
        if (!keys || constant_time_equal(keys->reveal(), keys_.reveal())) co_return;
        sealer_ = value_or_raise(Sealer::from_key(*keys));
        keys_ = *std::move(keys);
        log::info("seal_key.read");
        co_await reseal();
    }

    // What is on its way is sealed by the first key from now on.
    asio::awaitable<void> reseal() {
        auto lease = co_await pool_->acquire();
        const auto rows = lease ? co_await cms::list_sealed(**lease)
                                : Result<std::vector<cms::Sealed>>(std::unexpected(lease.error()));
        for (const auto& row : rows ? *rows : std::vector<cms::Sealed>()) {
            const auto clear = sealer_.open(row.sealed, row.k8s_name);
            const auto done = clear ? co_await cms::reseal(**lease, row, sealer_.seal(*clear, row.k8s_name))
                                    : Result<void>(std::unexpected(clear.error()));
            if (!done) log::error("seal_key.not_resealed", {{"k8s_name", row.k8s_name}, {"code", done.error().code}});
        }
        if (!rows) log::warning("seal_key.not_resealed", {{"code", rows.error().code}});
    }

    asio::awaitable<void> drain() {
        // Who balances between servers learns only now that this one is to be left out.
        if (config_.stop_delay > 0ms) co_await asio::steady_timer(io_, config_.stop_delay).async_wait(use);
        asio::steady_timer limit(io_, config_.drain_timeout);
        limit.async_wait([](boost::system::error_code ec) {
            if (ec) return;
            log::error("server.drain_timed_out");
            std::_Exit(1);
        });
        co_await http_.stop(2s);
        co_await host_.stop();
        pool_->close();
        api_pool_->close();
        if (traces_) co_await traces_->flush(1s);
        limit.cancel();
        io_.stop();
    }

    const ServerConfig& config_;
    std::optional<http::ServerTls> tls_;
    std::string refused_;  // why the files of the certificate are not in use
    std::string keys_refused_;
    Secret keys_;  // that seal and open; empty: those that it was started with
    std::chrono::steady_clock::time_point keys_read_at_{};
    asio::io_context io_{1};
    kube::Templates templates_;
    Sealer sealer_;
    rt::SystemClock clock_;
    std::shared_ptr<pg::Pool> pool_;      // of the work that nobody waits for
    std::shared_ptr<pg::Pool> api_pool_;  // so that those who ask do not stand in line with it
    rt::PgStore store_;
    kube::Client kube_;
    rt::OrchestrationRegistry orchestrations_;
    rt::ActivityRegistry activities_;
    rt::Services services_;
    rt::Host host_;
    rt::Client client_;
    activities::InstanceServices instances_;
    std::optional<Webhook> webhook_;
    std::optional<OtlpExporter> traces_;
    api::Api api_;
    http::Server http_;
    asio::signal_set signals_;
    asio::signal_set hang_ups_;
    bool cluster_reachable_ = false;
    bool draining_ = false;
};

int start(ServerConfig config) {
    if (!config.log_file.empty()) log::to_file(config.log_file);
    if (!log::set_level(config.log_level))
        return cannot_start(
            {ErrorKind::invalid, "bad_log_level", "log level must be debug, info, warning, error or off"});
    if (auto safe = check_listening(config); !safe) return cannot_start(safe.error());
    auto tls = read_tls(config);
    if (!tls) return cannot_start(tls.error());
    auto templates = config.templates_directory.empty() ? kube::Templates::embedded()
                                                        : kube::Templates::load(config.templates_directory);
    if (!templates) return cannot_start(templates.error());
    if (auto valid = kube::validate(*templates); !valid) return cannot_start(valid.error());
    auto access = kube::find_access(config.kubeconfig, config.context);
    if (!access) return cannot_start(access.error());
    const auto installation = await_installation(config, *access);
    if (!installation) return cannot_start(installation.error());
    auto sealer = config.seal_key_file.empty() && *installation ? Sealer::from_key((*installation)->seal_key)
                                                                : Sealer::from_file(config.seal_key_file);
    if (!sealer) return cannot_start(sealer.error());
    auto conninfo = find_database(config, *installation);
    if (!conninfo) return cannot_start(conninfo.error());
    config.database_url = *std::move(conninfo);
    if (config.migrate)
        if (auto up = bring_schema_up(config); !up) return cannot_start(up.error());
    if (*installation)
        if (auto kept = keep_first_token(config, (*installation)->api_token); !kept) return cannot_start(kept.error());
    auto id = find_id(config);
    if (!id) return cannot_start(id.error());
    Server server(config, *std::move(tls), *std::move(access), *std::move(templates), *std::move(sealer),
                  *std::move(id));
    server.run();
    return 0;
}

}  // namespace

int run_server(const ServerConfig& config) {
    std::signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    keep_memory_small();
    try {
        return start(config);
    } catch (...) {
        return cannot_start(current_error());
    }
}

}  // namespace toygres::app
