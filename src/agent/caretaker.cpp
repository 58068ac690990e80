#include "agent/caretaker.hpp"

#include "agent/control_file.hpp"
#include "agent/roles.hpp"
#include "agent/slots.hpp"
#include "base/log.hpp"

namespace toygres::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds slots_interval{10};
constexpr std::chrono::seconds slot_retry_interval{2};
constexpr std::chrono::milliseconds look_interval_max{5'000};
constexpr int starting_patience = 4;

// The process that streams, and how far the data has come.
constexpr const char* progress_query =
    "SELECT coalesce((SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming')::text, '');\n"
    "SELECT pg_last_wal_replay_lsn();\n";

}  // namespace

Caretaker::Caretaker(asio::any_io_executor executor, const Options& options, Binaries binaries, const Psql& psql,
                     std::function<void()> on_change, std::function<void(const Error&)> on_error)
    : executor_(std::move(executor)),
      options_(options),
      binaries_(std::move(binaries)),
      psql_(psql),
      on_change_(std::move(on_change)),
      on_error_(std::move(on_error)) {}

void Caretaker::begin_anew() {
    ++server_number_;
    roles_digest_.clear();
    slots_script_.clear();
    slots_due_ = {};
    watch_.forget();
}

void Caretaker::note_rewound() {
    rewound_ = true;
    set_following(Following::well);
}

void Caretaker::note_new_beginning() {
    rewound_ = false;
    set_following(Following::well);
}

void Caretaker::set_following(Following following) {
    watch_.forget();
    if (following == following_) return;
    following_ = following;
    on_change_();
}

void Caretaker::look_after(const ha::Topology& topology, ha::Role role, Server server) {
    if (working_) return;
    working_ = true;
    asio::co_spawn(executor_, work(topology, role, server), asio::detached);
}

asio::awaitable<void> Caretaker::work(ha::Topology topology, ha::Role role, Server server) {
    const bool accepts = server == Server::running;
    if (accepts && role == ha::Role::primary) co_await keep_roles();
    if (options_.native)
        co_await keep_own_slot(topology, role);
    else if (accepts)
        co_await keep_slots(topology, role);
    if (role == ha::Role::replica) co_await watch_following(topology.primary, server);
    working_ = false;
}

asio::awaitable<void> Caretaker::keep_roles() {
    auto digest = roles_digest(options_);
    if (digest == roles_digest_) co_return;
    const auto number = server_number_;
    const auto done = co_await reconcile_roles(options_, psql_);
    if (number != server_number_) co_return;
    if (done)
        roles_digest_ = std::move(digest);
    else
        on_error_(done.error());
}

asio::awaitable<void> Caretaker::keep_slots(const ha::Topology& topology, ha::Role role) {
    auto script = slots_script(options_.instance, options_.member, topology, role);
    if (script == slots_script_ && Clock::now() < slots_due_) co_return;
    const auto number = server_number_;
    const auto done = co_await psql_.run(script);
    if (number != server_number_) co_return;
    if (!done) co_return on_error_(done.error());
    slots_script_ = std::move(script);
    slots_due_ = Clock::now() + slots_interval;
}

// Even before the server accepts connections: without its slot it receives nothing, and may have to.
asio::awaitable<void> Caretaker::keep_own_slot(const ha::Topology& topology, ha::Role role) {
    if (role != ha::Role::replica || topology.primary == options_.member || Clock::now() < slots_due_) co_return;
    const auto number = server_number_;
    const auto done = co_await psql_.run_on(topology.primary, own_slot_script(options_.member));
    if (number != server_number_) co_return;
    slots_due_ = Clock::now() + (done ? slots_interval : slot_retry_interval);
    if (!done) on_error_(done.error());
}

asio::awaitable<void> Caretaker::watch_following(const std::string& primary, Server server) {
    if (primary.empty() || primary == options_.member) co_return watch_.forget();
    if (following_ != Following::well || Clock::now() < look_due_) co_return;
    look_due_ = Clock::now() + std::min(options_.follow_timeout / 3, look_interval_max);
    const auto number = server_number_;
    co_await see_progress(server);
    if (watch_.streams_for(Clock::now()) >= options_.follow_timeout) rewound_ = false;
    const auto stuck = watch_.stuck_for(Clock::now());
    // What goes on before a server accepts connections may be the recovery of much WAL, of which little shows.
    const auto limit =
        server == Server::running ? options_.follow_timeout : starting_patience * options_.follow_timeout;
    if (stuck < limit) co_return;
    // A primary that cannot be reached is a reason to wait, never one to touch the data.
    if (!co_await psql_.serves_replicas(primary) || number != server_number_) co_return;
    log::warning("replica.stuck", {{"primary", primary}, {"for_ms", stuck.count()}, {"rewound", rewound_}});
    set_following(rewound_ ? Following::lost : Following::diverged);
}

// Before a server accepts connections its control file is all that shows whether it gets on.
asio::awaitable<void> Caretaker::see_progress(Server server) {
    const auto number = server_number_;
    if (server != Server::running) {
        const auto control = co_await read_control_file(binaries_, options_.data_dir);
        if (control && number == server_number_)
            watch_.see({}, control->checkpoint_lsn + " " + control->consistent_lsn, Clock::now());
        co_return;
    }
    const auto rows = co_await psql_.run(progress_query);
    if (number != server_number_) co_return;
    if (!rows) co_return watch_.forget();
    const auto line_end = rows->find('\n');
    watch_.see(rows->substr(0, line_end), rows->substr(line_end + 1), Clock::now());
}

}  // namespace toygres::agent
