#include "fixture.hpp"

using namespace toygres;
using namespace toygres::ha;
using namespace toygres::ha::test;
using namespace std::chrono_literals;

namespace {

// With names as instances have them, and two standbys.
Record synced_of_three() {
    Record r{.state = State::synced,
             .epoch = 4,
             .revision = 9,
             .primary = "db-1",
             .members = {"db-1", "db-2", "db-3"},
             .armed = {"db-2", "db-3"},
             .failover_safe = true,
             .initialized = true};
    return r;
}

Observation healthy_of(const Record& r) {
    Observation out;
    for (const auto& member : r.members) {
        if (member == r.primary) continue;
        out[member].status = serving(member, Role::replica, r);
    }
    out[r.primary].status = serving(r.primary, Role::primary, r);
    for (const auto& member : r.members)
        if (member != r.primary)
            out[r.primary].status->peers->push_back(
                stream(member, r.epoch, r.armed.empty() ? "async" : "quorum", "0/500"));
    return out;
}

Record asked(const Record& r, Request request) {
    return after(r, value_or_raise(event_for(request, r, healthy_of(r))));
}

}  // namespace

TEST_CASE("membership: a single instance is given a standby, which ends the request when it is confirmed") {
    const Record single{.state = State::single, .primary = "db-1", .members = {"db-1"}, .initialized = true};
    auto r = asked(single, {.operation = "op", .kind = "add"});
    CHECK(r.state == State::joining);
    CHECK(r.members == std::vector<std::string>{"db-1", "db-2"});
    CHECK(r.revision > single.revision);
    CHECK(topology_of(r).members.contains("db-2"));
    CHECK(standby_of(r, "db-2")->standing == Standing::joining);
    for (int step = 0; step < 4; ++step) {
        auto seen = healthy_of(r);
        const auto event = judge(r, seen, {}, noon);
        REQUIRE(event);
        r = after(r, *event);
    }
    CHECK(r.state == State::synced);
    CHECK(standby_of(r, "db-2")->standing == Standing::present);
    CHECK(standby_of(r, "db-2")->operation == "op");
}

TEST_CASE("membership: numbers are never given twice") {
    auto r = synced_of_three();
    r = asked(r, {.kind = "remove", .target = "db-3"});
    while (const auto event = judge(r, healthy_of(r), {}, noon)) r = after(r, *event);
    CHECK(r.members == std::vector<std::string>{"db-1", "db-2"});
    CHECK(removed_members(r) == std::vector<std::string>{"db-3"});
    CHECK(next_member(r) == "db-4");
    auto seen = healthy_of(r);
    seen["db-3"].erased = true;
    const auto erased = judge(r, seen, {}, noon);
    REQUIRE(erased);
    CHECK(erased->kind == EventKind::member_erased);
    r = after(r, *erased);
    CHECK(removed_members(r).empty());
    CHECK(next_member(r) == "db-4");
}

TEST_CASE("membership: a standby that is waited for leaves in order: not safe, not waited for, proven, then gone") {
    auto r = synced_of_three();
    r = asked(r, {.operation = "op", .kind = "remove", .target = "db-2"});
    CHECK(r.state == State::arming);
    CHECK_FALSE(r.failover_safe);
    CHECK(r.armed == std::vector<std::string>{"db-3"});
    CHECK(r.members.size() == 3);  // its slot and its stream stay until the primary has proven not to wait for it
    CHECK(advance(r, {.kind = EventKind::member_released, .member = "db-2"}, noon)->members.size() == 3);
    // The primary obeys the former topology: nothing follows.
    auto old = healthy_of(r);
    old["db-1"].status->revision = r.revision - 1;
    CHECK_FALSE(judge(r, old, {}, noon));
    while (r.state != State::synced) r = after(r, judge(r, healthy_of(r), {}, noon).value());
    CHECK(r.failover_safe);
    const auto released = judge(r, healthy_of(r), {}, noon);
    REQUIRE(released);
    CHECK(released->kind == EventKind::member_released);
    r = after(r, *released);
    CHECK(r.members == std::vector<std::string>{"db-1", "db-3"});
    CHECK(r.state == State::synced);
}

TEST_CASE("membership: an instance whose last standby leaves is single, with nothing to wait for") {
    auto r = record_in(State::synced);
    r = after(r, value_or_raise(event_for({.kind = "remove", .target = "b"}, r, healthy(r))));
    CHECK(r.state == State::degrading);
    CHECK_FALSE(r.failover_safe);
    std::vector<EventKind> kinds;
    while (const auto event = judge(r, healthy(r), {}, noon)) {
        kinds.push_back(event->kind);
        r = after(r, *event);
    }
    CHECK(kinds == std::vector{EventKind::relaxed, EventKind::member_released});
    CHECK(r.state == State::single);
    CHECK(r.members == std::vector<std::string>{"a"});
    CHECK_FALSE(topology_of(r).members.at("a").synchronous_standby_names);
}

TEST_CASE("membership: an asynchronous standby is never waited for, and is there when it streams") {
    auto r = synced_of_three();
    r = asked(r, {.operation = "op", .kind = "add", .standby = Standby{.mode = Mode::async}});
    CHECK(r.state == State::synced);
    const auto event = judge(r, healthy_of(r), {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_streaming);
    CHECK(event->member == "db-4");
    r = after(r, *event);
    CHECK(standby_of(r, "db-4")->standing == Standing::present);
    CHECK(r.armed.size() == 2);
    CHECK(r.state == State::synced);
    CHECK_FALSE(judge(r, healthy_of(r), {}, noon));
    CHECK(event_for({.kind = "switchover", .target = "db-4"}, r, healthy_of(r)).error().code == "bad_target");
    CHECK(event_for({.kind = "failover", .target = "db-4", .force = true}, r, healthy_of(r)).error().code ==
          "not_failover_safe");
}

TEST_CASE("membership: what cannot be added or removed says why") {
    auto r = synced_of_three();
    const auto code = [&](Request request) {
        const auto event = event_for(request, r, healthy_of(r));
        if (!event) return event.error().code;
        const auto next = advance(r, *event, noon);
        return next ? std::string() : next.error().code;
    };
    CHECK(code({.kind = "remove"}) == "bad_target");
    CHECK(code({.kind = "remove", .target = "db-1"}) == "bad_target");
    CHECK(code({.kind = "remove", .target = "db-9"}) == "bad_target");
    CHECK(code({.kind = "add"}).empty());
    r.members = {"db-1", "db-2", "db-3", "db-4", "db-5"};
    CHECK(code({.kind = "add"}) == "too_many_members");
    r = synced_of_three();
    r.mode = Mode::async;
    CHECK(code({.kind = "add"}) == "asynchronous");
    CHECK(code({.kind = "add", .standby = Standby{.mode = Mode::async}}).empty());
    r = synced_of_three();
    r.state = State::switching;
    CHECK(code({.kind = "add"}) == "not_now");
    CHECK(code({.kind = "remove", .target = "db-2"}) == "not_now");
}

TEST_CASE("membership: the old primary of a switchover that terminates it leaves, and its objects with it") {
    auto r = synced_of_three();
    r = asked(r, {.kind = "switchover", .target = "db-2", .old_primary_action = OldPrimary::terminate});
    auto seen = healthy_of(r);
    seen["db-1"].status->state = AgentState::waiting;
    seen["db-1"].status->ready = false;
    seen["db-1"].status->role = Role::none;
    seen["db-1"].status->clean_shutdown = true;
    seen["db-1"].status->flush_lsn = "0/4FF";
    r = after(r, judge(r, seen, {}, noon).value());
    CHECK(r.primary == "db-2");
    while (const auto event = judge(r, healthy_of(r), {}, noon)) r = after(r, *event);
    CHECK(r.state == State::synced);
    CHECK(r.members == std::vector<std::string>{"db-2", "db-3"});
    CHECK(r.armed == std::vector<std::string>{"db-3"});
    CHECK(removed_members(r) == std::vector<std::string>{"db-1"});
}

TEST_CASE("membership: of several that commits wait for, one that is gone is not waited for any longer") {
    const auto r = synced_of_three();
    auto seen = healthy_of(r);
    seen["db-3"].astray_ms = 2'999;
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["db-3"].astray_ms = 3'000;
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_lost);
    const auto next = after(r, *event);
    CHECK(next.armed == std::vector<std::string>{"db-2"});
    CHECK(next.state == State::arming);
    CHECK(next.members.size() == 3);
    // While its word is wanted, nothing is fenced that could not be replaced.
    seen = healthy_of(r);
    seen["db-1"] = MemberView{.status = std::nullopt, .silent_ms = 60'000, .down_ms = 60'000, .gone = true};
    seen["db-3"].status.reset();
    CHECK_FALSE(judge(r, seen, {}, noon));
    CHECK(why_no_failover(r, seen, {}, noon).contains("db-3"));
}

TEST_CASE("membership: while none of several gets on all are waited for, and the first that is back ends the wait") {
    auto r = synced_of_three();
    r.durability = Durability::strict;
    auto seen = healthy_of(r);
    seen["db-2"].astray_ms = seen["db-3"].astray_ms = 60'000;
    seen["db-1"].unreplicated_ms = 60'000;
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["db-2"].astray_ms = 0;
    seen["db-1"].unreplicated_ms = 0;
    r = after(r, judge(r, seen, {}, noon).value());
    CHECK(r.armed == std::vector<std::string>{"db-2"});
    // Now that one goes while it is being confirmed, and the other comes back.
    seen["db-2"].astray_ms = 60'000;
    seen["db-3"].astray_ms = 0;
    seen["db-1"].status = serving("db-1", Role::primary, r);
    seen["db-1"].status->peers->push_back(stream("db-3", r.epoch, "async", "0/500"));
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::standby_caught_up);
    r = after(r, *event);
    CHECK(r.state == State::arming);
    CHECK_FALSE(r.failover_safe);
    CHECK(r.armed == std::vector<std::string>{"db-2", "db-3"});
    seen["db-1"].status = serving("db-1", Role::primary, r);
    seen["db-1"].status->peers->push_back(stream("db-3", r.epoch, "quorum", "0/500"));
    r = after(r, judge(r, seen, {}, noon).value());
    CHECK(r.armed == std::vector<std::string>{"db-3"});
}

TEST_CASE("membership: several that go one after the other while the rest is confirmed are each let go") {
    auto r = synced_of_three();
    r.members.emplace_back("db-4");
    r.armed.emplace_back("db-4");
    auto seen = healthy_of(r);
    seen["db-2"].astray_ms = seen["db-3"].astray_ms = 3'000;
    for (int left = 2; left >= 1; --left) {
        const auto event = judge(r, seen, {}, noon);
        REQUIRE(event);
        CHECK(event->kind == EventKind::standby_lost);
        r = after(r, *event);
        CHECK(r.state == State::arming);
        CHECK(r.armed.size() == static_cast<std::size_t>(left));
    }
    CHECK(r.armed == std::vector<std::string>{"db-4"});
}

TEST_CASE("membership: one that hangs is not waited for again before it gets on") {
    auto r = record_in(State::catching_up);
    auto seen = healthy(r);
    seen["b"].astray_ms = 100;
    CHECK_FALSE(judge(r, seen, {}, noon));
    seen["b"].astray_ms = 0;
    CHECK(judge(r, seen, {}, noon)->kind == EventKind::standby_caught_up);
}

TEST_CASE("membership: a copy made afresh of a member that nobody waits for disarms nobody") {
    auto r = synced_of_three();
    r.armed = {"db-2"};
    const auto next = asked(r, {.kind = "resync", .target = "db-3"});
    CHECK(next.state == State::synced);
    CHECK(next.failover_safe);
    CHECK(next.armed == std::vector<std::string>{"db-2"});
    CHECK(topology_of(next).members.at("db-3").clone == 1);
}

TEST_CASE("membership: a member that was stopped and retained stays so when roles change again") {
    auto r = synced_of_three();
    r.armed = {"db-2"};
    r.fenced = {"db-3"};
    const auto switching = asked(r, {.kind = "switchover", .target = "db-2"});
    CHECK(switching.fenced == std::vector<std::string>{"db-3", "db-1"});
    const auto back = after(switching, {.kind = EventKind::stop_failed});
    CHECK(back.fenced == std::vector<std::string>{"db-3"});
    auto failing = after(r, {.kind = EventKind::primary_down, .failover = "f"});
    CHECK(failing.fenced == std::vector<std::string>{"db-3", "db-1"});
    failing = after(failing, {.kind = EventKind::positions_frozen, .member = "db-2"});
    const auto done = after(failing, {.kind = EventKind::promoted, .member = "db-2"});
    CHECK(done.fenced == std::vector<std::string>{"db-3"});
}

TEST_CASE("membership: a failover that waits for a member that is gone is ended by a consent") {
    auto r = after(synced_of_three(), {.kind = EventKind::primary_down, .failover = "f"});
    auto seen = healthy_of(synced_of_three());
    for (auto& [member, view] : seen) {
        view.status = serving(member, Role::replica, r);
        view.status->receiver.reset();
    }
    seen["db-3"].status.reset();
    CHECK_FALSE(judge(r, seen, {}, noon));
    const Request without{.kind = "failover"};
    CHECK(advance(r, {.kind = EventKind::failover_wanted, .member = "db-2", .request = without}, noon).error().code ==
          "not_failover_safe");
    const Request consent{.kind = "failover", .allow_data_loss = true};
    r = after(r, value_or_raise(event_for(consent, r, seen)));
    CHECK(r.state == State::failing_over);
    const auto event = judge(r, seen, {}, noon);
    REQUIRE(event);
    CHECK(event->kind == EventKind::positions_frozen);
    CHECK(event->member == "db-2");
}

TEST_CASE("membership: with a consent those that answer are heard before one is chosen, and nobody who leaves is") {
    Record r{.state = State::failing_over,
             .epoch = 5,
             .revision = 10,
             .members = {"db-1", "db-2", "db-3"},
             .old_primary = "db-1",
             .request = Request{.allow_data_loss = true}};
    Observation seen;
    seen["db-2"].status = serving("db-2", Role::replica, r);
    seen["db-3"].status = serving("db-3", Role::replica, r);
    seen["db-3"].status->receive_lsn = "1/0";
    seen["db-3"].status->receiver = ReceiverStatus{"streaming", "db-1", 0};
    CHECK_FALSE(most_advanced(r, seen));
    seen["db-3"].status->receiver.reset();
    CHECK(most_advanced(r, seen) == "db-3");
    r.standbys.emplace()["db-3"].standing = Standing::leaving;
    CHECK(most_advanced(r, seen) == "db-2");
}

TEST_CASE("settings: the mode of an instance that is held stays") {
    const auto r = record_in(State::held);
    Request request{.kind = "configure", .settings = Settings{.mode = Mode::async}};
    CHECK(advance(r, {.kind = EventKind::configure_wanted, .request = request}, noon).error().code == "not_now");
    request.settings = Settings{.automatic_failover = false};
    CHECK(after(r, {.kind = EventKind::configure_wanted, .request = request}).state == State::held);
}

TEST_CASE("settings: what is asked for is on record, and a change to asynchronous ends the waiting first") {
    const auto r = synced_of_three();
    auto next = asked(r, {.kind = "configure", .settings = Settings{.automatic_failover = false}});
    CHECK_FALSE(next.automatic_failover);
    CHECK(next.state == State::synced);
    CHECK(why_no_failover(next, healthy_of(next), {}, noon) == "automatic failover is paused");
    next = asked(r, {.kind = "configure", .settings = Settings{.durability = Durability::strict}});
    CHECK(next.durability == Durability::strict);
    next = asked(r, {.kind = "configure", .settings = Settings{.mode = Mode::async}});
    CHECK(next.state == State::degrading);
    CHECK_FALSE(next.failover_safe);
    while (const auto event = judge(next, healthy_of(next), {}, noon)) next = after(next, *event);
    CHECK(next.state == State::catching_up);
    next = asked(next, {.kind = "configure", .settings = Settings{.mode = Mode::sync}});
    while (const auto event = judge(next, healthy_of(next), {}, noon)) next = after(next, *event);
    CHECK(next.state == State::synced);
    CHECK(next.armed.size() == 2);
}

TEST_CASE("requests: promote is a switchover while the primary serves, and a failover when it does not") {
    const auto r = synced_of_three();
    auto seen = healthy_of(r);
    CHECK(event_for({.kind = "promote", .target = "db-3"}, r, seen)->kind == EventKind::switchover_wanted);
    seen["db-1"].status.reset();
    CHECK(event_for({.kind = "promote", .target = "db-3"}, r, seen)->kind == EventKind::failover_wanted);
}

TEST_CASE("requests: a switchover waits for the instance to be synced only as long as it was told to") {
    auto r = synced_of_three();
    Request request{.kind = "switchover", .wait_until = noon + 60s};
    CHECK_FALSE(waits_for_sync(request, r, noon));
    r.state = State::arming;
    CHECK(waits_for_sync(request, r, noon));
    CHECK_FALSE(waits_for_sync(request, r, noon + 60s));
    request.wait_until.reset();
    CHECK_FALSE(waits_for_sync(request, r, noon));
    request.wait_until = noon + 60s;
    r.state = State::held;
    CHECK_FALSE(waits_for_sync(request, r, noon));
}

TEST_CASE("alerts: lag, a full disk and a primary alone are each one alert until things are clearly better") {
    auto r = synced_of_three();
    auto seen = healthy_of(r);
    CHECK(alerts_of(r, seen, {}, {}).empty());
    auto& stream = seen["db-1"].status->peers->front();
    seen["db-1"].status->flush_lsn = "0/A000000";
    seen["db-1"].status->peers->back().flush_lsn = "0/A000000";
    auto found = alerts_of(r, seen, {}, {});
    REQUIRE(found.size() == 1);
    CHECK(found.front().kind == "lag");
    CHECK(found.front().member == "db-2");
    stream.flush_lsn = "0/9700000";  // 9 MB: below the limit, not below its half
    CHECK(alerts_of(r, seen, {}, {}).empty());
    CHECK(alerts_of(r, seen, {}, found).size() == 1);
    auto silent = seen;
    silent["db-1"].status.reset();
    CHECK(alerts_of(r, silent, {}, found).size() == 1);
    stream.flush_lsn = "0/9FFFFFF";
    CHECK(alerts_of(r, seen, {}, found).empty());
    stream.replay_lag_ms = 10'001;
    CHECK(alerts_of(r, seen, {}, {}).size() == 1);
    stream.replay_lag_ms = 0;

    seen["db-3"].status->disk_total_bytes = 10LL << 30;
    seen["db-3"].status->disk_free_bytes = (1LL << 30) - 1;
    found = alerts_of(r, seen, {}, {});
    REQUIRE(found.size() == 1);
    CHECK(found.front().kind == "disk_low");
    r.state = State::degraded;
    CHECK(alerts_of(r, seen, {}, {}).front().kind == "unprotected");
}

TEST_CASE("alerts: what Kubernetes does not bring up is told when it lasts, until the member serves") {
    const auto r = synced_of_three();
    auto seen = healthy_of(r);
    auto& view = seen["db-3"];
    view.status.reset();
    view.down_ms = 20'000;
    view.trouble = Trouble{"ImagePullBackOff", "postgres: no such image"};
    view.trouble_ms = trouble_alert_ms - 1;
    CHECK(alerts_of(r, seen, {}, {}).empty());
    view.trouble_ms = trouble_alert_ms;
    auto found = alerts_of(r, seen, {}, {});
    REQUIRE(found.size() == 1);
    CHECK(found.front().kind == "member_trouble");
    CHECK(found.front().member == "db-3");
    CHECK(found.front().reason == "ImagePullBackOff");
    CHECK(found.front().message == "db-3: ImagePullBackOff: postgres: no such image");
    view.trouble = Trouble{"Unschedulable", "no node"};
    view.trouble_ms = 1;
    CHECK(alerts_of(r, seen, {}, found).front().reason == "Unschedulable");
    // Another server has just begun to look: it knows nothing yet.
    view.trouble.reset();
    view.down_ms = 1;
    CHECK(alerts_of(r, seen, {}, found).size() == 1);
    view.down_ms = 10 * trouble_alert_ms;
    CHECK(alerts_of(r, seen, {}, found).empty());
    view.trouble = Trouble{"Unschedulable", "no node"};
    view.down_ms = 0;
    CHECK(alerts_of(r, seen, {}, found).empty());
}

TEST_CASE("records and requests of the release before are read") {
    auto record = encode(record_in(State::synced));
    for (const auto* added : {"standbys", "last_number"}) CHECK_FALSE(record.contains(added));
    CHECK(decode<Record>(record) == record_in(State::synced));
    auto request = encode(Request{.kind = "switchover"});
    for (const auto* added : {"wait_until", "standby", "settings"}) CHECK_FALSE(request.contains(added));
    for (const auto* added : {"lag_alert_bytes", "lag_alert_ms", "custom_check"})
        CHECK_FALSE(encode(Policy{}).contains(added));
}
