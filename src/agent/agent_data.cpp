// How the agent makes data: initdb, a clone, a rewind.
#include "agent/agent.hpp"
#include "agent/clone.hpp"
#include "agent/rewind.hpp"
#include "agent/source.hpp"
#include "agent/upstream.hpp"
#include "base/log.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <sys/statvfs.h>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator||;
using Clock = std::chrono::steady_clock;

// A primary that is not there yet is asked again soon, as it may be starting; what fails with one that is there is not
// likely to mend itself.
constexpr std::chrono::milliseconds pause_first{100};
constexpr std::chrono::milliseconds pause_max_unreachable{1'600};
constexpr std::chrono::milliseconds pause_max{30'000};

// WAL that comes in meanwhile, and what the file system keeps for itself.
constexpr std::int64_t room_to_spare_bytes = std::int64_t{256} << 20;

}  // namespace

asio::awaitable<void> Agent::prepare(Action action) {
    const auto began = Clock::now();
    const auto what = enum_name(action);
    preparing_ = true;
    auto work = action == Action::bootstrap ? bootstrap() : action == Action::clone ? clone() : rewind();
    // Going away, it ends the programs that it runs.
    const auto first = co_await (std::move(work) || other_orders());
    preparing_ = false;
    clone_progress_.reset();
    changed_ = true;
    if (first.index() == 1) {
        log::info("data.interrupted", {{"work", what}});
        co_return;
    }
    if (const auto& done = std::get<0>(first); !done) co_return note_failed_try(done.error());
    failed_tries_ = 0;
    last_error_.reset();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    log::info("data.made", {{"work", what}, {"took_ms", took.count()}});
}

void Agent::note_failed_try(const Error& error) {
    note_error(error);
    const bool another_system = error.code == "another_system" && options_.native;
    if (error.code == "cannot_rewind" || another_system) return caretaker_.note_lost();
    if (error.code == "rewind_broken") return;
    const bool passes = error.kind == ErrorKind::transient || error.kind == ErrorKind::timeout;
    start_not_before_ = Clock::now() + std::min(pause_first * (1 << std::min(failed_tries_++, 10)),
                                                passes ? pause_max_unreachable : pause_max);
}

std::string Agent::orders_key() const {
    const auto& topology = topology_.current();
    if (!topology) return {};
    const auto settings = topology->members.find(options_.member);
    const bool known = settings != topology->members.end();
    return fmt::format("{} {} {} {} {}", topology->epoch, topology->primary, known,
                       known && settings->second.fenced.value_or(false),
                       known ? settings->second.clone.value_or(0) : 0);
}

asio::awaitable<void> Agent::other_orders() {
    const auto key = orders_key();
    for (;;) {
        topology_.read_file();
        if (stop_requested_at_ || orders_key() != key) co_return;
        // A revision that changes nothing for this work is obeyed by going on with it.
        if (note_reign() && preparing_ && decision_.action != Action::bootstrap)
            in_effect_ = reign_of(*topology_.current());
        co_await woken_.wait();
    }
}

asio::awaitable<Result<void>> Agent::bootstrap() {
    auto password_file = options_.superuser_dir + "/password";
    co_return co_await data_.bootstrap(std::move(password_file), lock_->get());
}

bool Agent::room_for_another(std::int64_t size_bytes) const {
    struct statvfs disk{};
    if (::statvfs(options_.volume().c_str(), &disk) != 0) return false;
    return static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize) >
           size_bytes + size_bytes / 10 + room_to_spare_bytes;
}

asio::awaitable<Result<void>> Agent::clone() {
    const auto topology = *topology_.current();
    if (auto written = write_orders(orders_for(topology, options_.member, ha::Role::replica)); !written)
        co_return written;
    const auto source = co_await ask_source(psql_, topology.primary);
    if (!source) co_return std::unexpected(source.error());
    const auto user = replication_user(options_);
    if (!user) co_return std::unexpected(user.error());
    // Before anything is removed to make room for it.
    if (!co_await psql_.serves_replicas(topology.primary))
        co_return std::unexpected(
            Error{ErrorKind::transient, "source_refuses", topology.primary + " does not serve replicas"});
    if (auto claimed = co_await claim_slot(topology.primary); !claimed) co_return claimed;
    auto done = co_await clone_data(options_, binaries_, data_,
                                    {.source = topology.primary,
                                     .user = *user,
                                     .room_for_both = room_for_another(source->size_bytes),
                                     .lock_fd = lock_->get(),
                                     .on_progress = [this](ha::CloneProgress p) { clone_progress_ = p; }});
    if (!done) co_return done;
    const auto number = topology.members.at(options_.member).clone.value_or(0);
    const bool noted = change_note([number](VolumeNote& note) {
        note.clone = std::max(note.clone, number);
        note.unfinished = Unfinished::nothing;
        note.held_data = true;
    });
    if (!noted) co_return std::unexpected(Error{ErrorKind::internal, "note_unwritable", last_error_.value_or("")});
    caretaker_.note_new_beginning();
    co_return Result<void>();
}

asio::awaitable<Result<void>> Agent::rewind() {
    const auto topology = *topology_.current();
    if (auto written = write_orders(orders_for(topology, options_.member, ha::Role::replica)); !written)
        co_return written;
    const auto source = co_await ask_source(psql_, topology.primary);
    if (!source) co_return std::unexpected(source.error());
    if (auto claimed = co_await claim_slot(topology.primary); !claimed) co_return claimed;
    const auto note_unfinished = [this](Unfinished unfinished) -> Result<void> {
        if (change_note([unfinished](VolumeNote& note) { note.unfinished = unfinished; })) return {};
        return std::unexpected(Error{ErrorKind::internal, "note_unwritable", last_error_.value_or("")});
    };
    auto done = co_await rewind_data(options_, binaries_, data_, psql_,
                                     {.source = topology.primary,
                                      .known = *source,
                                      .lock_fd = lock_->get(),
                                      .to_newer_only = options_.native.has_value(),
                                      .on_point_of_no_return = [&] { return note_unfinished(Unfinished::rewind); }});
    if (done) done = note_unfinished(Unfinished::nothing);
    if (done) caretaker_.note_rewound();
    co_return done;
}

}  // namespace toygres::agent
