#include "fixture.hpp"

using namespace toygres;
using namespace toygres::ha;
using namespace toygres::ha::test;
using namespace std::chrono_literals;

namespace {

constexpr State states[] = {State::creating,  State::single,       State::joining,   State::catching_up,
                            State::arming,    State::synced,       State::degrading, State::degraded,
                            State::switching, State::failing_over, State::rejoining, State::held};
constexpr EventKind events[] = {
    EventKind::primary_ready,     EventKind::standby_streaming, EventKind::standby_caught_up,
    EventKind::names_took_effect, EventKind::sync_confirmed,    EventKind::standby_lost,
    EventKind::relaxed,           EventKind::primary_down,      EventKind::primary_stopped,
    EventKind::stop_failed,       EventKind::positions_frozen,  EventKind::promoted,
    EventKind::switchover_wanted, EventKind::failover_wanted,   EventKind::resync_wanted,
    EventKind::hold_wanted,       EventKind::resume_wanted,     EventKind::add_wanted,
    EventKind::remove_wanted,     EventKind::configure_wanted,  EventKind::member_released,
    EventKind::member_erased,     EventKind::primary_leaving,   EventKind::old_primary_back};

}  // namespace

TEST_CASE("model: every state has an answer to every event, and what is refused or ignored changes nothing") {
    for (const auto state : states)
        for (const auto kind : events) {
            INFO(enum_name(state) << " at " << enum_name(kind));
            const auto record = record_in(state);
            Event event{.kind = kind, .member = "b", .lsn = "0/10"};
            event.request = Request{.target = "b"};
            const auto next = advance(record, event, noon);
            switch (outcome(state, kind)) {
                case Outcome::refuse:
                    REQUIRE_FALSE(next);
                    CHECK(next.error().code == "not_now");
                    break;
                case Outcome::ignore:
                    REQUIRE(next);
                    CHECK(*next == record);
                    break;
                case Outcome::advance:
                    if (!next) break;
                    // Whatever changes what agents obey raises the revision; the reign never goes back.
                    CHECK(Reign{next->epoch, next->revision} >= Reign{record.epoch, record.revision});
                    if (format_topology(topology_of(*next)) != format_topology(topology_of(record)))
                        CHECK(next->revision > record.revision);
                    if (next->failover_safe) CHECK_FALSE(next->armed.empty());
                    break;
            }
        }
}

TEST_CASE("model: sync is confirmed in order: names, their effect, the standby's flush, only then failover_safe") {
    auto r = record_in(State::catching_up);
    auto seen = healthy(r);
    const Policy policy;
    auto event = judge(r, seen, policy, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_caught_up);
    r = after(r, *event);
    CHECK(r.state == State::arming);
    CHECK_FALSE(r.failover_safe);
    CHECK(topology_of(r).members.at("a").synchronous_standby_names == R"(ANY 1 ("b_e4"))");

    // The primary obeys the former revision still, though its names happen to be right.
    seen = healthy(r);
    seen["a"].status->revision = r.revision - 1;
    CHECK_FALSE(judge(r, seen, policy, noon));
    seen = healthy(r);
    event = judge(r, seen, policy, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::names_took_effect);
    r = after(r, *event);
    CHECK(r.arming_lsn == "0/500");
    CHECK_FALSE(r.failover_safe);

    seen["a"].status->peers->front().flush_lsn = "0/4FF";
    CHECK_FALSE(judge(r, seen, policy, noon));
    seen["a"].status->peers->front() = stream("b", r.epoch, "async", "0/500");
    CHECK_FALSE(judge(r, seen, policy, noon));
    seen["a"].status->peers->front() = stream("b", r.epoch - 1, "quorum", "0/500");  // of another reign
    CHECK_FALSE(judge(r, seen, policy, noon));
    seen["a"].status->peers->front() = stream("b", r.epoch, "quorum", "0/500");
    event = judge(r, seen, policy, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::sync_confirmed);
    r = after(r, *event);
    CHECK(r.state == State::synced);
    CHECK(r.failover_safe);
    CHECK_FALSE(judge(r, seen, policy, noon));
}

TEST_CASE("model: relaxing takes failover_safe away before the topology lets the primary go on alone") {
    auto r = record_in(State::synced);
    auto seen = healthy(r);
    seen["a"].status->peers->clear();
    seen["a"].unreplicated_ms = 2'999;
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["a"].unreplicated_ms = 3'000;
    // One without a container is not waited for so long.
    auto gone = seen;
    gone["b"] = MemberView{.status = std::nullopt, .silent_ms = 900, .gone = true};
    gone["a"].unreplicated_ms = 999;
    CHECK_FALSE(judge(r, gone, {}, noon));
    gone["a"].unreplicated_ms = 1'000;
    CHECK(judge(r, gone, {}, noon)->kind == EventKind::standby_lost);
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_lost);
    const auto degrading = after(r, *event);
    CHECK(degrading.state == State::degrading);
    CHECK_FALSE(degrading.failover_safe);
    CHECK_FALSE(topology_of(degrading).members.at("a").synchronous_standby_names);
    // Meanwhile no failover.
    seen = healthy(degrading);
    seen["a"] = MemberView{.status = std::nullopt, .silent_ms = 99'999, .down_ms = 99'999, .gone = true};
    CHECK_FALSE(judge(degrading, seen, {}, noon));
    CHECK(advance(degrading, {.kind = EventKind::failover_wanted, .member = "b"}, noon).error().code ==
          "not_failover_safe");

    r.durability = Durability::strict;
    auto strict = healthy(r);
    strict["a"].status->peers->clear();
    strict["a"].unreplicated_ms = 99'999;
    CHECK_FALSE(judge(r, strict, {}, noon));
}

TEST_CASE("model: names set by somebody else end failover_safe at once") {
    const auto r = record_in(State::synced);
    auto seen = healthy(r);
    seen["a"].status->synchronous_standby_names = "";
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_lost);
    CHECK_FALSE(after(r, *event).failover_safe);
}

TEST_CASE("model: a primary that is told to stop hands over to the armed standby that has most") {
    auto r = record_in(State::synced);
    r.members.emplace_back("c");
    r.armed.emplace_back("c");
    auto seen = healthy(r);
    seen["c"].status = serving("c", Role::replica, r);
    seen["a"].status->peers->front().flush_lsn = "0/4FF";
    seen["a"].status->peers->push_back(stream("c", r.epoch, "quorum", "0/500"));
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["a"].status->stop_requested = true;
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::primary_leaving);
    CHECK(event->member == "c");
    CHECK(event->reason == "the primary was told to stop: c takes over");
    const auto next = after(r, *event);
    CHECK(next.state == State::switching);
    CHECK(next.fenced == std::vector<std::string>{"a"});
    CHECK(next.request->target == "c");
    CHECK(next.failover_safe);
    // The cooldown is between failovers.
    r.last_failover_at = noon;
    CHECK(judge(r, seen, {}, noon));

    // One that leaves as well, does not stream or does not get on is no heir.
    auto other = seen;
    other["c"].status->stop_requested = true;
    CHECK(judge(r, other, {}, noon)->member == "b");
    other["b"].astray_ms = 300;
    CHECK_FALSE(judge(r, other, {}, noon));
    other = seen;
    other["a"].status->peers->clear();
    CHECK_FALSE(judge(r, other, {}, noon));
    // Paused: by hand alone.
    CHECK_FALSE(judge(r, seen, {.paused_for_all = true}, noon));
    r.automatic_failover = false;
    CHECK_FALSE(judge(r, seen, {}, noon));
}

TEST_CASE("model: an old primary that went before its last word is waited for no longer than for a restart") {
    const Policy policy;
    const auto r = after(record_in(State::synced), {.kind = EventKind::primary_leaving, .member = "b"});
    auto seen = healthy(r);
    seen["a"] = MemberView{.silent_ms = policy.crash_restart_grace_ms - 1, .gone = true};
    CHECK_FALSE(judge(r, seen, policy, noon));
    seen["a"].silent_ms = policy.crash_restart_grace_ms;
    const auto event = judge(r, seen, policy, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::stop_failed);
    const auto next = after(r, *event);
    CHECK(next.state == State::synced);
    CHECK(next.epoch == r.epoch);
    CHECK(next.fenced.empty());
    // It is as down as one that nobody told: a failover follows.
    seen["a"].down_ms = policy.crash_restart_grace_ms;
    CHECK(judge(next, seen, policy, noon)->kind == EventKind::primary_down);
}

TEST_CASE("model: a primary is down when it ended and does not come back, or when nobody hears of it") {
    const auto r = record_in(State::synced);
    const Policy policy;
    const auto down = [&](const Observation& seen) {
        const auto event = judge(r, seen, policy, noon);
        return event && event->kind == EventKind::primary_down;
    };
    auto seen = healthy(r);
    seen["a"].status->state = AgentState::stopped;
    seen["a"].status->ready = false;
    seen["a"].down_ms = policy.crash_restart_grace_ms - 1;
    CHECK_FALSE(down(seen));
    seen["a"].down_ms = policy.crash_restart_grace_ms;
    CHECK(down(seen));

    seen = healthy(r);
    seen["a"] = MemberView{.status = std::nullopt, .silent_ms = 60'000, .down_ms = 60'000};
    CHECK(down(seen));
    seen["b"].status->receiver = ReceiverStatus{"streaming", "a", 900};
    CHECK_FALSE(down(seen));  // the standby hears it: it is we who do not
    seen["b"].status->receiver->silent_ms = 30'000;
    CHECK(down(seen));
    // A primary that says itself that it serves is not down because somebody else does not see it.
    seen = healthy(r);
    seen["b"].status->receiver.reset();
    CHECK_FALSE(down(seen));
}

TEST_CASE("model: why there is no automatic failover") {
    const auto base = record_in(State::synced);
    const Policy policy;
    const auto why = [&](auto change) {
        auto r = base;
        auto seen = healthy(r);
        change(r, seen);
        return why_no_failover(r, seen, policy, noon);
    };
    CHECK(why([](auto&, auto&) {}).empty());
    CHECK(why([](auto& r, auto&) { r.failover_safe = false; }).contains("proven"));
    CHECK(why([](auto& r, auto&) { r.mode = Mode::async; }).contains("asynchronous"));
    CHECK(why([](auto& r, auto&) { r.automatic_failover = false; }) == "automatic failover is paused");
    CHECK(why([](auto& r, auto&) { r.last_failover_at = noon - 299s; }).contains("last failover"));
    CHECK(why([](auto& r, auto&) { r.last_failover_at = noon - 300s; }).empty());
    CHECK(why([](auto&, auto& seen) { seen["a"].status->disk_free_bytes = 1 << 20; }).contains("full"));
    CHECK(why([](auto&, auto& seen) { seen["b"].status.reset(); }).contains("standby"));
}

TEST_CASE("model: a failover fences, compares positions that are frozen, and promotes a member that was armed") {
    auto r = record_in(State::synced);
    r = after(r, {.kind = EventKind::primary_down, .failover = "f1"});
    CHECK(r.state == State::failing_over);
    CHECK(r.epoch == 5);
    CHECK(r.primary.empty());
    const auto fencing = topology_of(r);
    CHECK(fencing.primary.empty());
    CHECK(fencing.members.at("a").fenced == true);

    Observation seen;
    seen["b"].status = serving("b", Role::replica, r);
    seen["b"].status->receiver = ReceiverStatus{"streaming", "a", 0};
    CHECK_FALSE(judge(r, seen, {}, noon));  // still receives
    seen["b"].status->receiver.reset();
    seen["b"].status->epoch = 4;
    CHECK_FALSE(judge(r, seen, {}, noon));  // has not heard of the new reign
    seen["b"].status->epoch = 5;
    auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::positions_frozen);
    r = after(r, *event);
    CHECK(r.primary == "b");
    CHECK_FALSE(r.failover_safe);
    CHECK(topology_of(r).members.at("a").fenced == true);
    CHECK_FALSE(topology_of(r).members.at("b").synchronous_standby_names);

    seen["b"].status = serving("b", Role::primary, r);
    event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::promoted);
    r = after(r, *event);
    CHECK(r.state == State::rejoining);
    CHECK(r.last_failover_at == noon);
    CHECK_FALSE(topology_of(r).members.at("a").fenced);
}

namespace {

// "a" is gone, and one of the two that commits waited for is to follow it.
Record choosing_of_three() {
    return {.state = State::failing_over,
            .epoch = 5,
            .revision = 10,
            .members = {"a", "b", "c"},
            .armed = {"b", "c"},
            .failover_safe = true,
            .old_primary = "a"};
}

}  // namespace

TEST_CASE("model: a standby that has not read all that is on its disk is no candidate, and is waited for") {
    auto r = choosing_of_three();
    Observation seen;
    for (const auto* member : {"b", "c"}) seen[member].status = serving(member, Role::replica, r);
    CHECK(most_advanced(r, seen));
    seen["b"].status->receive_lsn.reset();
    CHECK_FALSE(most_advanced(r, seen));
    CHECK_FALSE(judge(r, seen, {}, noon));
}

TEST_CASE("model: of two that commits waited for, the more advanced is promoted, and only when both were heard") {
    auto r = choosing_of_three();
    Observation seen;
    seen["b"].status = serving("b", Role::replica, r);
    CHECK_FALSE(most_advanced(r, seen));
    seen["c"].status = serving("c", Role::replica, r);
    seen["c"].status->receive_lsn = "1/0";
    CHECK(most_advanced(r, seen) == "c");
    r.request = Request{.target = "b"};
    CHECK(most_advanced(r, seen) == "c");
    seen["b"].status->receive_lsn = "1/0";
    CHECK(most_advanced(r, seen) == "b");
}

TEST_CASE("model: a switchover promotes only what holds the shutdown checkpoint, and goes back when it cannot") {
    auto r = record_in(State::synced);
    auto wanted = event_for({.operation = "op", .kind = "switchover", .timeout_ms = 60'000}, r, healthy(r));
    REQUIRE(wanted);
    CHECK(wanted->member == "b");
    r = after(r, *wanted);
    CHECK(r.state == State::switching);
    CHECK(r.epoch == 4);
    CHECK(topology_of(r).members.at("a").fenced == true);
    CHECK(topology_of(r).members.at("a").synchronous_standby_names);

    auto seen = healthy(r);
    CHECK_FALSE(judge(r, seen, {}, noon));
    auto& old = *seen["a"].status;
    old.state = AgentState::waiting;
    old.ready = false;
    old.role = Role::none;
    old.clean_shutdown = true;
    old.flush_lsn = "0/600";
    CHECK_FALSE(judge(r, seen, {}, noon));  // "b" has 0/500
    // It may be about to tell that it has more, unless the old primary is gone for long.
    seen["a"].down_ms = 1'000;
    CHECK(judge(r, seen, {}, noon)->kind == EventKind::stop_failed);
    seen["b"].status->receiver = ReceiverStatus{"streaming", "a", 0};
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["b"].status->receiver.reset();
    seen["a"].down_ms = 0;
    seen["b"].status->receive_lsn = "0/678";
    const auto stopped = judge(r, seen, {}, noon);
    REQUIRE(stopped);
    CHECK(stopped->kind == EventKind::primary_stopped);
    const auto next = after(r, *stopped);
    CHECK(next.epoch == 5);
    CHECK(next.primary == "b");
    CHECK(next.fenced.empty());
    CHECK_FALSE(next.failover_safe);

    seen["b"].status->receive_lsn = "0/500";
    const auto late = judge(r, seen, {}, noon + 61s);
    REQUIRE(late);
    CHECK(late->kind == EventKind::stop_failed);
    const auto back = after(r, *late);
    CHECK(back.state == State::synced);
    CHECK(back.failover_safe);
    CHECK(back.fenced.empty());
    CHECK(back.revision > r.revision);
}

TEST_CASE("model: requests that cannot be granted say why") {
    const auto r = record_in(State::synced);
    const auto code = [&](Request request, const Record& record, const Observation& seen) {
        const auto event = event_for(request, record, seen);
        return event ? std::string() : event.error().code;
    };
    auto seen = healthy(r);
    CHECK(code({.kind = "failover"}, r, seen) == "primary_healthy");
    CHECK(code({.kind = "failover", .force = true}, r, seen).empty());
    CHECK(code({.kind = "switchover", .target = "a"}, r, seen) == "bad_target");
    CHECK(code({.kind = "switchover", .target = "z"}, r, seen) == "bad_target");
    CHECK(code({.kind = "switchover"}, record_in(State::degraded), healthy(record_in(State::degraded))) ==
          "not_synced");
    seen["a"].status.reset();
    CHECK(code({.kind = "switchover"}, r, seen) == "primary_unhealthy");
    CHECK(code({.kind = "failover"}, r, seen).empty());
    const auto degraded = record_in(State::degraded);
    auto alone = healthy(degraded);
    alone["a"].status.reset();
    CHECK(code({.kind = "failover"}, degraded, alone) == "not_failover_safe");
    CHECK(code({.kind = "failover", .allow_data_loss = true}, degraded, alone).empty());
    CHECK(code({.kind = "resync"}, r, seen).empty());
    CHECK(code({.kind = "resync", .target = "a"}, r, seen) == "bad_target");
}

TEST_CASE("lsn: positions are compared as numbers and written as PostgreSQL writes them") {
    CHECK(parse_lsn("16/B374D848")->value == 0x16B374D848ULL);
    CHECK(to_string(*parse_lsn("16/B374D848")) == "16/B374D848");
    CHECK(*parse_lsn("0/FFFFFFFF") < *parse_lsn("1/0"));
    CHECK(bytes_between({10}, {30}) == 20);
    CHECK(bytes_between({30}, {10}) == 0);
    for (const auto* bad : {"", "0", "/", "0/", "x/1", "0/123456789", "1/-1", "0/1 "}) CHECK_FALSE(parse_lsn(bad));
}

TEST_CASE("model: a primary that is down and may not be replaced says why") {
    auto r = record_in(State::degraded);
    auto seen = healthy(r);
    CHECK_FALSE(blocked_because(r, seen, {}, noon));
    seen["a"] = MemberView{.status = std::nullopt, .silent_ms = 60'000, .down_ms = 60'000, .gone = true};
    CHECK(blocked_because(r, seen, {}, noon)->contains("degraded"));
    CHECK(blocked_because(record_in(State::held), seen, {}, noon) == "held by an operator");
    // It can be replaced, and is about to be.
    r = record_in(State::synced);
    CHECK_FALSE(blocked_because(r, seen, {}, noon));
    r.automatic_failover = false;
    CHECK(blocked_because(r, seen, {}, noon) == "automatic failover is paused");
}

TEST_CASE("model: a failover whose only candidate went away says whom it waits for") {
    auto r = record_in(State::synced);
    auto seen = healthy(r);
    seen["a"] = MemberView{.status = std::nullopt, .silent_ms = 60'000, .down_ms = 60'000, .gone = true};
    const auto down = judge(r, seen, {}, noon);
    REQUIRE(down);
    r = advance(r, *down, noon).value();
    REQUIRE(r.state == State::failing_over);
    CHECK_FALSE(blocked_because(r, seen, {}, noon));
    const Policy policy;
    seen["b"] = MemberView{.status = std::nullopt, .down_ms = policy.silence_ms, .gone = true};
    CHECK(blocked_because(r, seen, policy, noon)->contains("waits for the standby b,"));
    seen["b"].down_ms = policy.silence_ms - 1;
    CHECK_FALSE(blocked_because(r, seen, policy, noon));
    // Whoever consents to a loss waits for it only while there is nobody else.
    seen["b"].down_ms = policy.silence_ms;
    r.request = Request{.allow_data_loss = true};
    CHECK(blocked_because(r, seen, policy, noon)->contains("none of them serves"));
    r.members.emplace_back("c");
    seen["c"].status = serving("c", Role::replica, r);
    CHECK_FALSE(blocked_because(r, seen, policy, noon));
}

namespace {

// As the agent of a former primary reports that obeys its fence.
AgentStatus fenced(const Record& r) {
    AgentStatus s{};
    s.member = r.old_primary;
    s.state = AgentState::waiting;
    s.role = Role::none;
    s.epoch = r.epoch;
    s.revision = r.revision;
    s.flush_lsn = "0/480";
    s.clean_shutdown = false;
    return s;
}

}  // namespace

TEST_CASE("model: a failover without anybody to promote goes back to the old primary, in the new epoch") {
    const Policy policy;
    const auto r = record_in(State::failing_over);
    Observation seen;
    seen["a"].status = fenced(r);
    const auto patience = 5 * policy.silence_ms;
    seen["b"] = MemberView{.silent_ms = patience, .down_ms = patience, .gone = true};
    const auto event = judge(r, seen, policy, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::old_primary_back);
    CHECK(event->reason == "a is back with all its data, and b cannot be compared with the others");
    const auto next = after(r, *event);
    CHECK(next.state == State::synced);
    CHECK(next.primary == "a");
    CHECK(next.epoch == r.epoch);
    CHECK(next.revision == r.revision + 1);
    CHECK(next.failover_safe);
    CHECK(next.fenced.empty());
    CHECK(next.old_primary.empty());
    // Whatever it writes waits for the standby, until that is relaxed in good order.
    CHECK(topology_of(next).members.at("a").synchronous_standby_names == synchronous_names({"b"}, r.epoch));

    SECTION("not while it may yet choose") {
        seen["b"].down_ms = patience - 1;
        CHECK_FALSE(judge(r, seen, policy, noon));
        seen["b"].status = serving("b", Role::replica, r);
        seen["b"].down_ms = 0;
        CHECK(judge(r, seen, policy, noon)->kind == EventKind::positions_frozen);
    }
    SECTION("also when the other serves, and has not said for long how far it got") {
        auto since = r;
        since.change_began_at = noon - std::chrono::milliseconds(patience);
        seen["b"] = MemberView{.status = serving("b", Role::replica, r)};
        CHECK(judge(since, seen, policy, noon)->kind == EventKind::positions_frozen);
        seen["b"].status->receive_lsn.reset();
        CHECK(judge(since, seen, policy, noon)->kind == EventKind::old_primary_back);
        CHECK_FALSE(judge(since, seen, policy, noon - 1ms));
        CHECK(blocked_because(since, seen, policy, noon)->contains("b, which may alone hold"));
    }
    SECTION("not before it is known to obey, to have its data and to stay") {
        const auto refused = [&](const std::function<void(AgentStatus&)>& change) {
            auto other = seen;
            change(*other["a"].status);
            return !judge(r, other, policy, noon);
        };
        CHECK(refused([](auto& s) { --s.epoch; }));
        CHECK(refused([](auto& s) { s.state = AgentState::stopping; }));
        CHECK(refused([](auto& s) { s.role = Role::primary; }));
        CHECK(refused([](auto& s) { s.flush_lsn.reset(); }));
        CHECK(refused([](auto& s) { s.clean_shutdown.reset(); }));
        CHECK(refused([](auto& s) { s.stop_requested = true; }));
        seen["a"].status.reset();
        CHECK_FALSE(judge(r, seen, policy, noon));
    }
    SECTION("not once another was chosen") {
        const auto chosen = after(r, {.kind = EventKind::positions_frozen, .member = "b"});
        CHECK_FALSE(judge(chosen, seen, policy, noon));
        CHECK(after(chosen, *event) == chosen);
    }
    SECTION("one of several that does not answer is enough") {
        auto three = r;
        three.members.emplace_back("c");
        three.armed.emplace_back("c");
        seen["c"].status = serving("c", Role::replica, three);
        CHECK(judge(three, seen, policy, noon)->kind == EventKind::old_primary_back);
        // With consent the one that is there is taken.
        three.request = Request{.allow_data_loss = true};
        CHECK(judge(three, seen, policy, noon)->kind == EventKind::positions_frozen);
        // One that leaves is nobody to take.
        three.standbys.emplace();
        (*three.standbys)["c"].standing = Standing::leaving;
        CHECK(judge(three, seen, policy, noon)->kind == EventKind::old_primary_back);
    }
    SECTION("with consent, when nobody is there at all: what was not proven before is not proven now") {
        auto unsafe = r;
        unsafe.failover_safe = false;
        unsafe.arming_lsn = "0/10";
        unsafe.request = Request{.operation = "op", .target = "b", .allow_data_loss = true};
        const auto back = judge(unsafe, seen, policy, noon);
        REQUIRE(back);
        const auto arming = after(unsafe, *back);
        CHECK(arming.state == State::arming);
        CHECK(arming.arming_lsn.empty());
        CHECK_FALSE(arming.failover_safe);
        CHECK_FALSE(arming.request);
        unsafe.armed.clear();
        CHECK(after(unsafe, *back).state == State::degraded);
    }
}
