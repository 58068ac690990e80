// What the agent does for a member without a control plane besides: nobody but its operator promotes it, and its
// primary does not know of it.
#include "agent/agent.hpp"
#include "agent/native.hpp"
#include "agent/slots.hpp"
#include "base/log.hpp"

#include <unistd.h>

namespace toygres::agent {

// Asked for by `toygres-agent promote`, or done already: `SELECT pg_promote()`.
void Agent::see_promotion_by_hand() {
    auto topology = *topology_.current();
    if (topology.primary == options_.member) return;
    if (server_.state() != Server::running || server_.role() != ha::Role::replica) return;
    const bool done = data_.has_left_recovery();
    if (!done && ::unlink(promotion_request(options_).c_str()) != 0) return;
    log::info("promotion.seen", {{"by", done ? "sql" : "command"}});
    topology.primary = options_.member;
    ++topology.revision;
    if (done) {
        change_note([](VolumeNote& note) { note.unfinished = Unfinished::promotion; });
        server_.note_promotion();
        promotion_open_ = true;
        caretaker_.begin_anew();
    }
    topology_.replace(std::move(topology));
}

asio::awaitable<Result<void>> Agent::claim_slot(std::string primary) {
    if (!options_.native) co_return Result<void>();
    const auto done = co_await psql_.run_on(std::move(primary), own_slot_script(options_.member));
    if (!done) co_return std::unexpected(done.error());
    co_return Result<void>();
}

}  // namespace toygres::agent
