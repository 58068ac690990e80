#include "agent/agent.hpp"

#include "agent/configuration.hpp"
#include "agent/roles.hpp"
#include "base/log.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <filesystem>
#include <sys/stat.h>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator||;
using Clock = std::chrono::steady_clock;

// For what changes without a word: mounted files, a lock that another process lets go of.
constexpr std::chrono::milliseconds tick_interval{1'000};
constexpr std::chrono::milliseconds tick_interval_down{200};
constexpr std::chrono::milliseconds restart_pause_max{30'000};
constexpr std::chrono::seconds good_run{60};
constexpr std::chrono::milliseconds ping_timeout{2'000};

ha::AgentState state_of(Server server, bool bootstrapping, bool pausing) {
    if (bootstrapping) return ha::AgentState::bootstrapping;
    switch (server) {
        case Server::starting:
            return ha::AgentState::starting;
        case Server::running:
            return ha::AgentState::running;
        case Server::stopping:
            return ha::AgentState::stopping;
        default:
            return pausing ? ha::AgentState::stopped : ha::AgentState::waiting;
    }
}

}  // namespace

Agent::Agent(asio::io_context& io, Options options, Binaries binaries)
    : io_(io),
      options_(std::move(options)),
      binaries_(std::move(binaries)),
      data_(options_.data_dir, binaries_),
      woken_(io.get_executor()),
      server_(io.get_executor(), options_, data_, binaries_, [this] { wake(); }),
      topology_(io.get_executor(), options_, [this] { wake(); }),
      psql_(options_, binaries_),
      observer_(io.get_executor(), options_, binaries_, psql_),
      started_at_(now()) {}

void Agent::wake() {
    changed_ = true;
    woken_.notify();
}

void Agent::request_stop() {
    stop_requested_ = true;
    wake();
}

asio::awaitable<void> Agent::run() {
    topology_.start_watch();
    asio::co_spawn(io_, tick(), asio::detached);
    for (;;) {
        changed_ = false;
        note_exit();
        auto decision = decide(look());
        if (decision != decision_)
            log::info("agent.decided", {{"action", enum_name(decision.action)}, {"reason", decision.reason}});
        decision_ = decision;
        if (decision.action == Action::exit) co_return;
        co_await act(std::move(decision));
        if (!changed_) co_await woken_.wait();
    }
}

asio::awaitable<void> Agent::tick() {
    asio::steady_timer timer(io_);
    for (;;) {
        timer.expires_after(server_.state() == Server::down ? tick_interval_down : tick_interval);
        co_await timer.async_wait(use);
        wake();
    }
}

Situation Agent::look() {
    topology_.read_file();
    Situation s{};
    s.stop_requested = stop_requested_;
    s.member = options_.member;
    s.topology = topology_.current();
    s.epoch_seen = data_.epoch_seen();
    s.server = server_.state();
    s.server_role = server_.role();
    if (s.server == Server::down) {
        if (!lock_) lock_ = data_.lock();
        s.volume_busy = !lock_;
        s.data = data_.state();
        s.replica_data = data_.replica_data();
        s.restart_pause_over = Clock::now() >= start_not_before_;
    } else {
        s.data = Data::whole;
        if (const auto wanted = wanted_configuration()) s.configuration_outdated = *wanted != configuration_;
    }
    return s;
}

asio::awaitable<void> Agent::act(Decision decision) {
    switch (decision.action) {
        case Action::bootstrap:
            co_await bootstrap();
            break;
        case Action::start_primary:
            start_primary();
            break;
        case Action::reload:
            reload();
            break;
        case Action::stop:
            server_.stop(options_.stop_timeout);
            break;
        default:
            break;
    }
    if (decision.action != Action::keep || server_.state() != Server::running) co_return;
    // A new epoch with the same primary.
    if (topology_.current() && server_.role() == ha::Role::primary)
        if (const auto noted = data_.note_epoch(topology_.current()->epoch); !noted) note_error(noted.error());
    if (!keeping_roles_) asio::co_spawn(io_, keep_roles(), asio::detached);
}

asio::awaitable<void> Agent::bootstrap() {
    const auto began = Clock::now();
    bootstrapping_ = true;
    auto password_file = options_.superuser_dir + "/password";
    // A stop request must not wait for initdb: going away, it ends initdb.
    auto initdb = data_.bootstrap(std::move(password_file), lock_->get());
    const auto stopped = [](Agent& agent) -> asio::awaitable<void> {
        while (!agent.stop_requested_) co_await agent.woken_.wait();
    };
    const auto first = co_await (std::move(initdb) || stopped(*this));
    bootstrapping_ = false;
    changed_ = true;
    if (first.index() == 1) co_return;
    if (const auto& done = std::get<0>(first); !done) {
        note_error(done.error());
        start_not_before_ = Clock::now() + restart_pause_max;
        co_return;
    }
    roles_digest_.clear();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    log::info("bootstrap.completed", {{"took_ms", took.count()}});
}

std::optional<std::map<std::string, std::string>> Agent::wanted_configuration() {
    ha::MemberSettings settings{};
    if (const auto& topology = topology_.current())
        if (const auto it = topology->members.find(options_.member); it != topology->members.end())
            settings = it->second;
    auto files = configuration_files(options_, settings);
    if (files) return *std::move(files);
    note_error(files.error());
    return std::nullopt;
}

void Agent::start_primary() {
    const auto failed = [&](const Error& error) {
        note_error(error);
        start_not_before_ = Clock::now() + tick_interval;
    };
    // Durable before the first write of the new reign, so that an older topology can never be obeyed after it.
    if (const auto noted = data_.note_epoch(topology_.current()->epoch); !noted) return failed(noted.error());
    const auto files = wanted_configuration();
    if (!files) return failed({ErrorKind::internal, "no_configuration", last_error_.value_or("")});
    if (const auto written = write_configuration(options_, *files); !written) return failed(written.error());
    if (auto started = server_.start(ha::Role::primary, *std::exchange(lock_, std::nullopt)); !started)
        return failed(started.error());
    configuration_ = *files;
    observer_.forget();
}

void Agent::reload() {
    const auto files = wanted_configuration();
    if (!files) return;
    if (const auto written = write_configuration(options_, *files); !written) return note_error(written.error());
    configuration_ = *files;
    server_.reload();
    observer_.forget();
    log::info("configuration.reloaded");
}

void Agent::note_exit() {
    const auto exit = server_.take_exit();
    if (!exit) return;
    observer_.forget();
    if (server_.stop_asked()) {
        quick_restarts_ = 0;
        start_not_before_ = {};
        return;
    }
    ++restarts_;
    last_exit_ = ha::LastExit{now(), to_string(*exit)};
    // The first restart is at once; a server that ends again and again gets ever longer pauses.
    const auto pause = quick_restarts_ == 0
                           ? std::chrono::milliseconds(0)
                           : std::min<std::chrono::milliseconds>(
                                 std::chrono::seconds(1) * (1 << std::min(quick_restarts_ - 1, 5)), restart_pause_max);
    ++quick_restarts_;
    start_not_before_ = Clock::now() + pause;
}

void Agent::note_error(const Error& error) {
    if (last_error_ != error.message) log::error("agent.failed", {{"code", error.code}, {"error", error.message}});
    last_error_ = error.message;
}

asio::awaitable<void> Agent::keep_roles() {
    if (server_.started_at() && now() - *server_.started_at() > good_run) quick_restarts_ = 0;
    auto digest = roles_digest(options_);
    if (digest == roles_digest_ || server_.role() != ha::Role::primary) co_return;
    keeping_roles_ = true;
    const auto done = co_await reconcile_roles(options_, psql_);
    keeping_roles_ = false;
    if (done)
        roles_digest_ = std::move(digest);
    else
        note_error(done.error());
}

asio::awaitable<bool> Agent::ready() {
    if (server_.state() != Server::running || !topology_.current()) co_return false;
    if (ha::role_of(*topology_.current(), options_.member) != server_.role()) co_return false;
    co_return co_await accepts_connections(options_, ping_timeout);
}

asio::awaitable<ha::AgentStatus> Agent::status() {
    ha::AgentStatus status{};
    status.member = options_.member;
    status.agent_version = TOYGRES_VERSION;
    status.state = state_of(server_.state(), bootstrapping_, Clock::now() < start_not_before_);
    status.role = server_.role();
    status.epoch = topology_.current() ? topology_.current()->epoch : 0;
    if (!decision_.reason.empty()) status.reason = decision_.reason;
    status.started_at = started_at_;
    status.postgres_started_at = server_.started_at();
    status.restarts = restarts_;
    status.last_exit = last_exit_;
    status.last_error = last_error_;
    if (!status.last_error && !topology_.trouble().empty()) status.last_error = topology_.trouble();
    observer_.observe_disk(status);
    if (server_.state() == Server::running)
        co_await observer_.observe_running(status);
    else if (server_.state() == Server::down && data_.state() == Data::whole)
        co_await observer_.observe_stopped(status);
    status.ready = co_await ready();
    co_return status;
}

}  // namespace toygres::agent
