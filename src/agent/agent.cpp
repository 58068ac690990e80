#include "agent/agent.hpp"

#include "base/log.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator||;
using Clock = std::chrono::steady_clock;

// For what changes without a word: mounted files, a lock that another process lets go of.
constexpr std::chrono::milliseconds tick_interval{1'000};
constexpr std::chrono::milliseconds tick_interval_down{200};
constexpr std::chrono::milliseconds ping_timeout{2'000};
constexpr std::chrono::milliseconds login_interval{5'000};
constexpr std::chrono::milliseconds kill_after{10'000};
constexpr std::chrono::milliseconds kill_after_lost_reign{2'000};
// A standby that is away for less may come back and take over.
constexpr std::chrono::milliseconds heir_patience{1'000};

ha::AgentState state_of(const ServerProcess& server, bool makes_data, bool pauses) {
    if (makes_data) return ha::AgentState::bootstrapping;
    switch (server.state()) {
        case Server::starting:
            return ha::AgentState::starting;
        case Server::running:
            return server.promoting() ? ha::AgentState::promoting : ha::AgentState::running;
        case Server::stopping:
            return ha::AgentState::stopping;
        default:
            return pauses ? ha::AgentState::stopped : ha::AgentState::waiting;
    }
}

std::string upstream_of(const ha::Topology& topology) { return fmt::format("{} {}", topology.epoch, topology.primary); }

}  // namespace

Agent::Agent(asio::io_context& io, Options options, Binaries binaries)
    : io_(io),
      options_(std::move(options)),
      binaries_(std::move(binaries)),
      data_(options_.data_dir, binaries_),
      woken_(io.get_executor()),
      happened_(io.get_executor()),
      server_(io.get_executor(), options_, data_, binaries_, [this] { wake(); }),
      topology_(io.get_executor(), options_, [this] { wake(); }),
      psql_(options_, binaries_),
      observer_(io.get_executor(), options_, binaries_),
      login_(options_),
      caretaker_(
          io.get_executor(), options_, binaries_, psql_, [this] { wake(); },
          [this](const Error& error) { note_error(error); }),
      started_at_(now()) {}

void Agent::note_happening() {
    ++happenings_;
    happened_.notify();
}

void Agent::wake() {
    note_happening();
    look_again();
}

void Agent::look_again() {
    changed_ = true;
    woken_.notify();
}

asio::awaitable<void> Agent::wait_for_news(std::uint64_t known, Clock::time_point at_the_latest) {
    if (happenings_ != known) co_return;
    asio::steady_timer timer(io_, at_the_latest);
    co_await (happened_.wait() || timer.async_wait(use));
}

asio::awaitable<void> Agent::run() {
    topology_.start_watch();
    asio::co_spawn(io_, tick(), asio::detached);
    asio::co_spawn(io_, keep_logging_in(), asio::detached);
    for (;;) {
        changed_ = false;
        note_exit();
        auto decision = decide(look());
        log_decision(decision);
        if (decision != decision_) note_happening();
        decision_ = decision;
        if (decision.action == Action::exit) co_return;
        co_await act(std::move(decision));
        if (!changed_) co_await woken_.wait();
    }
}

void Agent::log_decision(const Decision& decision) {
    if (decision == logged_decision_ || decision.action == Action::pause) return;
    log::info("agent.decided", {{"action", enum_name(decision.action)}, {"reason", decision.reason}});
    logged_decision_ = decision;
}

asio::awaitable<void> Agent::tick() {
    asio::steady_timer timer(io_);
    for (;;) {
        timer.expires_after(server_.state() == Server::down ? tick_interval_down : tick_interval);
        co_await timer.async_wait(use);
        look_again();
    }
}

asio::awaitable<void> Agent::keep_logging_in() {
    asio::steady_timer timer(io_);
    for (;;) {
        const auto server = server_.started_at();
        const bool serves = server_.state() == Server::running && server_.role() == ha::Role::primary;
        if (!serves)
            login_.forget();
        else if (co_await login_.log_in())
            note_happening();
        // What was found of a server that is gone says nothing of the next.
        if (server_.started_at() != server) login_.forget();
        timer.expires_after(serves ? login_interval : tick_interval);
        co_await timer.async_wait(use);
    }
}

Situation Agent::look() {
    topology_.read_file();
    if (options_.native) see_promotion_by_hand();
    Situation s{};
    s.keeps_lost_data = options_.native.has_value();
    s.stop_requested = stop_requested_at_.has_value();
    s.may_hand_over = may_hand_over();
    s.heir = Clock::now() - heir_seen_at_ < heir_patience;
    s.member = options_.member;
    s.topology = topology_.current();
    if (s.topology && upstream_of(*s.topology) != upstream_) {
        // What failed with one primary need not fail with another.
        upstream_ = upstream_of(*s.topology);
        caretaker_.note_new_beginning();
        failed_tries_ = 0;
        if (server_.state() == Server::down && quick_restarts_ == 0) start_not_before_ = {};
    }
    s.server = server_.state();
    s.server_role = server_.role();
    s.server_epoch = server_epoch_;
    s.promoting = server_.promoting();
    s.checkpointed = checkpointed_;
    s.following = caretaker_.following();
    if (s.server == Server::down) {
        if (!lock_) lock_ = data_.lock();
        s.volume_busy = !lock_;
        s.data = data_.state();
        s.replica_data = data_.replica_data();
        s.restart_pause_over = Clock::now() >= start_not_before_;
    } else {
        s.data = Data::whole;
        // Before it has written its file a postmaster would die of a signal.
        const bool hears = s.server == Server::running || !data_.postmaster_state().empty();
        if (const auto wanted = wanted_configuration()) s.configuration_outdated = hears && *wanted != configuration_;
    }
    if (auto note = read_note(data_.volume()))
        s.note = *note;
    else
        note_error(note.error());
    return s;
}

asio::awaitable<void> Agent::act(Decision decision) {
    const bool noted = note_reign();
    switch (decision.action) {
        case Action::bootstrap:
        case Action::clone:
        case Action::rewind:
            if (noted) co_await prepare(decision.action);
            break;
        case Action::start_primary:
            if (noted) start_server(ha::Role::primary);
            break;
        case Action::start_replica:
            if (noted) start_server(ha::Role::replica);
            break;
        case Action::promote:
            if (noted) co_await promote();
            break;
        case Action::reload:
            if (noted) reload();
            break;
        case Action::checkpoint:
            if (!checkpointing_) asio::co_spawn(io_, checkpoint(), asio::detached);
            break;
        // A server that must go goes even if the volume cannot remember why.
        case Action::stop:
            server_.stop(time_to_stop(), kill_after);
            break;
        case Action::stop_now:
            server_.stop(options_.lost_reign_timeout, kill_after_lost_reign);
            break;
        case Action::wait:
        case Action::pause:
            if (noted) in_effect_ = reign_of(*topology_.current());
            break;
        case Action::keep:
            attend();
            break;
        case Action::exit:
            break;
    }
}

void Agent::attend() {
    if (!topology_.current() || server_.stop_asked()) return;
    checkpointed_ = false;
    finish_promotion();
    if (server_.promoting()) return;
    caretaker_.look_after(*topology_.current(), server_.role(), server_.state());
    if (server_.state() == Server::running && !confirmed_ && !confirming_)
        asio::co_spawn(io_, confirm(), asio::detached);
}

bool Agent::change_note(const std::function<void(VolumeNote&)>& change) {
    const auto note = read_note(data_.volume());
    if (!note) return note_error(note.error()), false;
    auto changed = *note;
    change(changed);
    if (changed == *note) return true;
    if (const auto written = write_note(data_.volume(), changed); !written) return note_error(written.error()), false;
    return true;
}

bool Agent::note_reign() {
    // While somebody else uses the volume, what it remembers is theirs to say.
    if (!topology_.current() || (server_.state() == Server::down && !lock_)) return false;
    const auto reign = reign_of(*topology_.current());
    bool older = false;
    return change_note([&](VolumeNote& note) {
               older = reign < note.reign;
               if (!older) note.reign = reign;
           }) &&
           !older;
}

void Agent::note_error(const Error& error) {
    if (last_error_ != error.message) log::error("agent.failed", {{"code", error.code}, {"error", error.message}});
    last_error_ = error.message;
}

asio::awaitable<bool> Agent::ready() {
    if (server_.state() != Server::running || server_.promoting() || !topology_.current()) co_return false;
    if (ha::role_of(*topology_.current(), options_.member) != server_.role()) co_return false;
    co_return co_await accepts_connections(options_, ping_timeout);
}

asio::awaitable<void> Agent::observe_running(ha::AgentStatus& status, std::chrono::milliseconds max_age) {
    co_await observer_.observe_running(status, max_age);
    if (status.role == ha::Role::primary) status.login = login_.status(observer_.free_connections());
}

asio::awaitable<ha::AgentStatus> Agent::status(std::chrono::milliseconds max_age) {
    ha::AgentStatus status{};
    status.member = options_.member;
    status.agent_version = TOYGRES_VERSION;
    const bool pauses = decision_.action == Action::pause;
    status.state = state_of(server_, preparing_ || (pauses && failed_tries_ > 0), pauses);
    status.role = server_.role();
    status.epoch = in_effect_.epoch;
    status.revision = in_effect_.revision;
    if (!decision_.reason.empty()) status.reason = decision_.reason;
    status.clone = clone_progress_;
    status.started_at = started_at_;
    status.postgres_started_at = server_.started_at();
    status.restarts = restarts_;
    status.last_exit = last_exit_;
    status.last_error = last_error_;
    if (stop_requested_at_) status.stop_requested = true;
    if (!status.last_error && !topology_.trouble().empty()) status.last_error = topology_.trouble();
    observer_.observe_disk(status);
    if (server_.state() == Server::running)
        co_await observe_running(status, max_age);
    else if (server_.state() == Server::down && !preparing_ && data_.state() == Data::whole)
        co_await observer_.observe_stopped(status);
    status.ready = co_await ready();
    co_return status;
}

}  // namespace toygres::agent
