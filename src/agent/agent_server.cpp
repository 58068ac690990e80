// What the agent does with the server: start, configure, promote, and see that it took effect.
#include "agent/agent.hpp"
#include "agent/confirm.hpp"
#include "base/log.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator||;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds again_after{1'000};
constexpr std::chrono::milliseconds restart_pause_max{30'000};
constexpr std::chrono::seconds good_run{60};
constexpr std::chrono::milliseconds confirm_pause{10};
constexpr int confirm_pause_doublings = 6;
constexpr std::chrono::minutes checkpoint_limit{20};

}  // namespace

Result<void> Agent::write_orders(const Orders& orders) {
    auto files = configuration_files(options_, orders);
    if (!files) return std::unexpected(files.error());
    if (auto written = write_configuration(options_, *files); !written) return written;
    configuration_ = *std::move(files);
    orders_ = orders;
    ++configuration_number_;
    confirmed_ = false;
    confirm_tries_ = 0;
    observer_.forget();
    return {};
}

std::optional<std::map<std::string, std::string>> Agent::wanted_configuration() {
    if (!topology_.current()) return std::nullopt;
    auto files = configuration_files(options_, orders_for(*topology_.current(), options_.member, server_.role()));
    if (files) return *std::move(files);
    note_error(files.error());
    return std::nullopt;
}

void Agent::start_server(ha::Role role) {
    const auto& topology = *topology_.current();
    const auto failed = [&](const Error& error) {
        note_error(error);
        start_not_before_ = Clock::now() + again_after;
    };
    // A promotion that was begun is still to be ended, unless somebody else is the primary now.
    const bool promotes = topology.primary == options_.member && role == ha::Role::replica;
    const bool noted = change_note([&](VolumeNote& note) {
        note.held_data = true;
        if (options_.native) note.native = NativeNote{options_.native->role, options_.native->reclone};
        if (!promotes && note.unfinished == Unfinished::promotion) note.unfinished = Unfinished::nothing;
    });
    if (!noted) return failed({ErrorKind::internal, "note_unwritable", last_error_.value_or("")});
    if (role == ha::Role::replica && !data_.replica_data())
        if (const auto made = data_.make_replica(); !made) return failed(made.error());
    if (const auto written = write_orders(orders_for(topology, options_.member, role)); !written)
        return failed(written.error());
    server_epoch_ = topology.epoch;
    armed_names_.clear();
    checkpointed_ = false;
    promotion_open_ = false;
    caretaker_.begin_anew();
    if (auto started = server_.start(role, *std::exchange(lock_, std::nullopt)); !started)
        return failed(started.error());
}

void Agent::reload() {
    if (const auto done = write_orders(orders_for(*topology_.current(), options_.member, server_.role())); !done)
        return note_error(done.error());
    server_epoch_ = orders_.reign.epoch;
    if (synchronous_names(orders_).empty()) armed_names_.clear();
    server_.reload();
    log::info("configuration.reloaded", {{"epoch", orders_.reign.epoch}, {"revision", orders_.reign.revision}});
    wake();
}

asio::awaitable<void> Agent::promote() {
    const auto orders = orders_for(*topology_.current(), options_.member, ha::Role::primary);
    if (!change_note([](VolumeNote& note) { note.unfinished = Unfinished::promotion; })) co_return;
    if (const auto done = write_orders(orders); !done) co_return note_error(done.error());
    server_.reload();
    if (!synchronous_names(orders).empty()) {
        // Its first commit must wait already.
        const auto in_sight = [](Agent& agent, Orders wanted) -> asio::awaitable<void> {
            asio::steady_timer timer(agent.io_);
            for (;;) {
                const auto seen = co_await sees_configuration(agent.psql_, wanted, true);
                if (seen && *seen) co_return;
                timer.expires_after(confirm_pause);
                co_await timer.async_wait(use);
            }
        };
        const auto first = co_await (in_sight(*this, orders) || other_orders());
        if (first.index() == 1) co_return wake();
    }
    if (server_.state() != Server::running) co_return;
    server_epoch_ = orders.reign.epoch;
    promotion_open_ = true;
    caretaker_.begin_anew();
    if (const auto asked = server_.promote(); !asked) note_error(asked.error());
    wake();
}

void Agent::finish_promotion() {
    if (!promotion_open_ || server_.state() != Server::running || server_.promoting()) return;
    if (!change_note([](VolumeNote& note) { note.unfinished = Unfinished::nothing; })) return;
    promotion_open_ = false;
    observer_.forget();
    // Not for this server: who rewinds by it reads the new timeline from the control file.
    asio::co_spawn(
        io_,
        [](Agent& agent) -> asio::awaitable<void> {
            co_await agent.psql_.run("CHECKPOINT;\n", checkpoint_limit);
        }(*this),
        asio::detached);
}

asio::awaitable<void> Agent::checkpoint() {
    checkpointing_ = true;
    if (const auto done = co_await psql_.run("CHECKPOINT;\n", 2 * options_.stop_timeout); !done)
        note_error(done.error());
    checkpointing_ = false;
    checkpointed_ = true;
    wake();
}

asio::awaitable<void> Agent::confirm() {
    confirming_ = true;
    const auto number = configuration_number_;
    const auto names = synchronous_names(orders_);
    const auto reign = orders_.reign;
    auto seen = co_await sees_configuration(psql_, orders_, orders_.role == ha::Role::replica);
    if (number == configuration_number_ && seen && *seen && !names.empty() && armed_names_ != names) {
        if (const auto armed = co_await arm_synchronous_commit(psql_); !armed) seen = std::unexpected(armed.error());
        if (number == configuration_number_ && seen) armed_names_ = names;
    }
    if (number == configuration_number_ && seen && *seen) {
        confirmed_ = true;
        observer_.forget();  // what was read before says nothing of what commits wait for since
        in_effect_ = reign;
    } else {
        if (!seen) note_error(seen.error());
        asio::steady_timer timer(io_, confirm_pause * (1 << std::min(confirm_tries_++, confirm_pause_doublings)));
        co_await timer.async_wait(use);
    }
    confirming_ = false;
    wake();
}

void Agent::note_exit() {
    if (server_.started_at() && now() - *server_.started_at() > good_run) quick_restarts_ = 0;
    const auto exit = server_.take_exit();
    if (!exit) return;
    observer_.forget();
    caretaker_.begin_anew();
    ++configuration_number_;
    if (server_.stop_asked()) {
        if (!server_.stop_trouble().empty()) last_error_ = server_.stop_trouble();
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

}  // namespace toygres::agent
