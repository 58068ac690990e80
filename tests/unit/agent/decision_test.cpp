#include "agent/decision.hpp"

#include "support/catch.hpp"

#include <vector>

using namespace toygres;
using namespace toygres::agent;

namespace {

// A primary of epoch 2 with its data, down, nothing in its way.
Situation healthy() {
    Situation s{};
    s.member = "a";
    s.topology = ha::Topology{2, 5, "a", {{"a", {}}, {"b", {}}}, std::nullopt};
    s.note = VolumeNote{{2, 5}, true, 0, Unfinished::nothing};
    s.data = Data::whole;
    s.server = Server::down;
    s.server_role = ha::Role::none;
    s.server_epoch = 2;
    s.restart_pause_over = true;
    return s;
}

Situation running() {
    auto s = healthy();
    s.server = Server::running;
    s.server_role = ha::Role::primary;
    return s;
}

// A replica of b's, down.
Situation replica() {
    auto s = healthy();
    s.topology->primary = "b";
    s.replica_data = true;
    return s;
}

Situation running_replica() {
    auto s = replica();
    s.server = Server::running;
    s.server_role = ha::Role::replica;
    return s;
}

using Change = std::function<void(Situation&)>;

Decision after(Situation s, const Change& change) {
    change(s);
    return decide(s);
}

}  // namespace

TEST_CASE("decision: the primary of the current epoch starts") {
    CHECK(decide(healthy()).action == Action::start_primary);
}

TEST_CASE("decision: a server that runs as it should is let be") {
    for (const auto& s : {running(), running_replica()}) {
        CHECK(decide(s).action == Action::keep);
        CHECK(after(s, [](auto& t) { t.configuration_outdated = true; }).action == Action::reload);
        CHECK(after(s, [](auto& t) {
                  t.configuration_outdated = true;
                  t.server = Server::starting;
              }).action == Action::reload);
        CHECK(after(s, [](auto& t) {
                  t.configuration_outdated = true;
                  t.server = Server::stopping;
              }).action == Action::keep);
    }
}

TEST_CASE("decision: a primary that is told to stop serves on while a standby can take over, and no longer") {
    auto s = running();
    s.stop_requested = s.may_hand_over = s.heir = true;
    s.topology->members["a"].synchronous_standby_names = "ANY 1 (\"b_e2\")";
    CHECK(decide(s).action == Action::keep);
    CHECK(decide(s).reason == "asked to stop: serves on until a standby takes over");
    CHECK(after(s, [](auto& t) { t.configuration_outdated = true; }).action == Action::reload);
    const Change nobody_could[] = {
        [](Situation& t) { t.may_hand_over = false; },
        [](Situation& t) { t.heir = false; },
        [](Situation& t) { t.topology->members["a"].synchronous_standby_names = ""; },
        [](Situation& t) { t.topology.reset(); },
        [](Situation& t) { t.note->reign = {3, 1}; },
        [](Situation& t) { t.promoting = true; },
        [](Situation& t) { t.server = Server::starting; },
    };
    for (const auto& change : nobody_could) CHECK(after(s, change).action == Action::stop);
    CHECK(after(s, [](auto& t) {
              t.server = Server::down;
              t.server_role = ha::Role::none;
          }).action == Action::exit);
    auto replaced = s;
    replaced.topology = ha::Topology{3, 6, "b", {{"a", {}}, {"b", {}}}, std::nullopt};
    CHECK(decide(replaced).action == Action::stop_now);
    auto standby = running_replica();
    standby.stop_requested = standby.may_hand_over = standby.heir = true;
    CHECK(decide(standby).action == Action::stop);
}

TEST_CASE("decision: told to hand over while it is told to stop, a primary stops in good order and stays to be asked") {
    auto s = running();
    s.stop_requested = s.may_hand_over = true;
    s.topology->members["a"].fenced = true;
    CHECK(decide(s).action == Action::checkpoint);
    s.checkpointed = true;
    CHECK(decide(s).action == Action::stop);
    s.server = Server::stopping;
    CHECK(decide(s).action == Action::keep);
    s.server = Server::down;
    s.server_role = ha::Role::none;
    CHECK(decide(s).action == Action::wait);
    CHECK(after(s, [](auto& t) { t.may_hand_over = false; }).action == Action::exit);
    // Given up, or another is the primary: nobody asks any more.
    CHECK(after(s, [](auto& t) { t.topology->members["a"].fenced = false; }).action == Action::exit);
    CHECK(after(s, [](auto& t) {
              t.topology = ha::Topology{3, 6, "b", {{"a", {}}, {"b", {}}}, std::nullopt};
          }).action == Action::exit);
    // One that never ran has no last word.
    CHECK(after(s, [](auto& t) { t.server_epoch = 0; }).action == Action::exit);
}

TEST_CASE("decision: what is unknown or outdated starts nothing and stops nothing") {
    const auto forget = [](Situation& s) { s.topology.reset(); };
    const auto unreadable = [](Situation& s) { s.note.reset(); };
    const auto older_epoch = [](Situation& s) { s.note->reign = {3, 1}; };
    const auto older_revision = [](Situation& s) { s.note->reign = {2, 6}; };
    CHECK(after(healthy(), forget) == Decision{Action::wait, "the topology is not known"});
    CHECK(after(running(), forget) == Decision{Action::keep, "the topology is not known"});
    CHECK(after(healthy(), unreadable).action == Action::wait);
    CHECK(after(replica(), unreadable).action == Action::wait);
    CHECK(after(healthy(), older_epoch) ==
          Decision{Action::wait, "the topology is of epoch 2, epoch 3 was obeyed before"});
    CHECK(after(healthy(), older_revision) ==
          Decision{Action::wait, "the topology is revision 5 of epoch 2, revision 6 was obeyed before"});
    CHECK(after(replica(), older_revision).action == Action::wait);
    CHECK(after(running(), older_epoch).action == Action::keep);
}

TEST_CASE("decision: a primary in whose epoch it is fenced leaves in good order") {
    const auto fence = [](Situation& s) { s.topology->members["a"].fenced = true; };
    const std::string reason = "is fenced in epoch 2";
    CHECK(after(healthy(), fence) == Decision{Action::wait, reason});
    CHECK(after(running(), fence) == Decision{Action::checkpoint, reason});
    auto written = running();
    written.checkpointed = true;
    CHECK(after(written, fence) == Decision{Action::stop, reason});
    written.server = Server::stopping;
    CHECK(after(written, fence) == Decision{Action::keep, reason});
    CHECK(after(running_replica(), fence) == Decision{Action::stop, reason});
}

TEST_CASE("decision: a primary whose reign is over is hurried, even while it stops already") {
    const std::vector<Change> cases{
        [](Situation& s) { s.topology->primary = "b"; },
        [](Situation& s) { s.topology->primary = ""; },
        [](Situation& s) {
            s.topology->epoch = 3;
            s.topology->members["a"].fenced = true;
        },
        [](Situation& s) {
            s.topology->epoch = 3;
            s.topology->primary = "b";
            s.topology->members.erase("a");
        },
    };
    for (const auto& change : cases)
        for (const auto server : {Server::starting, Server::running, Server::stopping}) {
            auto s = running();
            s.server = server;
            CHECK(after(s, change).action == Action::stop_now);
            s.stop_requested = true;
            CHECK(after(s, change).action == Action::stop_now);
        }
}

TEST_CASE("decision: an empty volume is initialised once in the life of an instance") {
    auto s = healthy();
    s.data = Data::absent;
    s.note = VolumeNote{};
    s.topology->epoch = 1;
    CHECK(decide(s).action == Action::bootstrap);
    // An initdb that was broken off.
    CHECK(after(s, [](auto& t) { t.note->reign = {1, 5}; }).action == Action::bootstrap);
    CHECK(after(s, [](auto& t) { t.topology->initialized = true; }).action == Action::wait);
    CHECK(after(s, [](auto& t) { t.note->held_data = true; }).action == Action::wait);
    CHECK(after(s, [](auto& t) { t.topology->epoch = 2; }).action == Action::wait);
    CHECK(after(s, [](auto& t) {
              t.topology->epoch = 2;
              t.topology->initialized = false;
          }).action == Action::bootstrap);
    CHECK(after(s, [](auto& t) { t.restart_pause_over = false; }).action == Action::pause);
}

TEST_CASE("decision: data that is not ours to start is left alone") {
    for (const auto& s : {healthy(), replica()}) {
        CHECK(after(s, [](auto& t) { t.data = Data::foreign; }).action == Action::wait);
        CHECK(after(s, [](auto& t) { t.volume_busy = true; }).action == Action::wait);
        CHECK(after(s, [](auto& t) { t.restart_pause_over = false; }).action == Action::pause);
    }
    CHECK(after(healthy(), [](auto& s) { s.note->unfinished = Unfinished::rewind; }).action == Action::wait);
}

TEST_CASE("decision: a replica's data is promoted, never just started read-write") {
    const auto crown = [](Situation& s) { s.topology->primary = "a"; };
    CHECK(after(replica(), crown).action == Action::start_replica);
    CHECK(after(running_replica(), crown).action == Action::promote);
    CHECK(after(running_replica(), [&](auto& s) {
              crown(s);
              s.server = Server::starting;
          }).action == Action::keep);
    // One that still starts is at least cut off from the primary before it.
    CHECK(after(running_replica(), [&](auto& s) {
              crown(s);
              s.server = Server::starting;
              s.configuration_outdated = true;
          }).action == Action::reload);
    CHECK(after(running(), [](auto& s) { s.promoting = true; }).action == Action::keep);
    // Killed in the middle of a promotion: whatever the data looks like.
    CHECK(after(healthy(), [](auto& s) { s.note->unfinished = Unfinished::promotion; }).action ==
          Action::start_replica);
}

TEST_CASE("decision: a replica starts on what it has, and gets what it lacks from the primary") {
    CHECK(decide(replica()).action == Action::start_replica);
    CHECK(after(replica(), [](auto& s) { s.data = Data::absent; }).action == Action::clone);
    CHECK(after(replica(), [](auto& s) { s.note->unfinished = Unfinished::rewind; }).action == Action::clone);
    CHECK(after(replica(), [](auto& s) { s.replica_data = false; }).action == Action::rewind);
    CHECK(after(replica(), [](auto& s) { s.following = Following::diverged; }).action == Action::rewind);
    CHECK(after(replica(), [](auto& s) { s.following = Following::lost; }).action == Action::clone);
    CHECK(after(running_replica(), [](auto& s) { s.following = Following::diverged; }).action == Action::stop);
    CHECK(after(running_replica(), [](auto& s) { s.following = Following::lost; }).action == Action::stop);
}

TEST_CASE("decision: data that cannot be followed on is kept where that is the rule, until a copy is asked for") {
    const auto lost = [](Situation& s) {
        s.following = Following::lost;
        s.keeps_lost_data = true;
    };
    const auto served = after(running_replica(), lost);
    CHECK(served.action == Action::keep);
    CHECK(served.reason.contains("RECLONE=true"));
    CHECK(after(replica(), lost).action == Action::start_replica);
    CHECK(after(replica(), [&](auto& s) {
              lost(s);
              s.replica_data = false;
          }).action == Action::wait);
    CHECK(after(replica(), [&](auto& s) {
              lost(s);
              s.topology->members["a"].clone = 1;
          }).action == Action::clone);
}

TEST_CASE("decision: a clone that is asked for is made once") {
    const auto ask = [](Situation& s) { s.topology->members["a"].clone = 3; };
    CHECK(after(replica(), ask).action == Action::clone);
    CHECK(after(running_replica(), ask).action == Action::stop);
    CHECK(after(replica(), [&](auto& s) {
              ask(s);
              s.data = Data::foreign;
          }).action == Action::clone);
    CHECK(after(replica(), [&](auto& s) {
              ask(s);
              s.note->clone = 3;
          }).action == Action::start_replica);
    CHECK(after(healthy(), ask).action == Action::start_primary);
    CHECK(after(running(), ask).action == Action::keep);
}

TEST_CASE("decision: without a primary replicas run, and what cannot be compared waits") {
    const auto orphan = [](Situation& s) { s.topology->primary = ""; };
    CHECK(after(replica(), orphan).action == Action::start_replica);
    CHECK(after(running_replica(), orphan).action == Action::keep);
    CHECK(after(healthy(), orphan) ==
          Decision{Action::wait, "epoch 2 has no primary to compare a former primary's data with"});
    for (const Change& change : std::vector<Change>{[](auto& s) { s.data = Data::absent; },
                                                    [](auto& s) { s.note->unfinished = Unfinished::rewind; }})
        CHECK(after(replica(), [&](auto& s) {
                  orphan(s);
                  change(s);
              }).action == Action::wait);
    CHECK(after(running_replica(), [&](auto& s) {
              orphan(s);
              s.topology->members["a"].clone = 3;
          }).action == Action::keep);
}

TEST_CASE("decision: SIGTERM comes before everything") {
    const auto stop = [](Situation& s) { s.stop_requested = true; };
    CHECK(after(healthy(), stop).action == Action::exit);
    CHECK(after(running(), stop).action == Action::stop);
    CHECK(after(running_replica(), stop).action == Action::stop);
    auto stopping = running();
    stopping.server = Server::stopping;
    CHECK(after(stopping, stop).action == Action::keep);
}

namespace {

// What can be seen, in all combinations that matter to the rules.
template <class Visit> void for_every_situation(Visit visit) {
    for (unsigned bits = 0; bits < 1U << 12; ++bits)
        for (const auto data : {Data::absent, Data::whole, Data::foreign})
            for (const auto unfinished : {Unfinished::nothing, Unfinished::rewind, Unfinished::promotion})
                for (const auto following : {Following::well, Following::diverged, Following::lost})
                    for (const auto server : {Server::down, Server::starting, Server::running, Server::stopping})
                        for (const auto role : {ha::Role::primary, ha::Role::replica})
                            for (const char* primary : {"a", "b", ""})
                                for (const std::int64_t seen_revision : {4, 5, 6}) {
                                    const auto bit = [bits](int n) { return (bits >> n & 1) != 0; };
                                    if (server == Server::down && role == ha::Role::replica) continue;
                                    if (bit(4) && bit(10)) continue;
                                    if (bit(11) && following != Following::lost) continue;
                                    auto s = healthy();
                                    s.stop_requested = bit(0);
                                    s.topology->primary = primary;
                                    s.topology->members["a"].fenced = bit(1);
                                    if (bit(2)) s.topology->initialized = true;
                                    if (bit(3)) s.topology->members["a"].clone = 1;
                                    s.note->reign = {2, seen_revision};
                                    s.note->held_data = bit(2);
                                    s.note->unfinished = unfinished;
                                    s.replica_data = bit(5);
                                    s.volume_busy = bit(6);
                                    s.restart_pause_over = bit(7);
                                    s.configuration_outdated = bit(8);
                                    s.server_epoch = bit(9) ? 1 : 2;
                                    s.following = following;
                                    s.keeps_lost_data = bit(11);
                                    s.data = server == Server::down ? data : Data::whole;
                                    s.server = server;
                                    s.server_role = server == Server::down ? ha::Role::none : role;
                                    if (bit(4)) s.topology.reset();
                                    if (bit(10)) s.note.reset();
                                    visit(s);
                                }
}

bool is_one_of(Action action, std::initializer_list<Action> list) {
    return std::ranges::find(list, action) != list.end();
}

}  // namespace

TEST_CASE("decision: in no situation does anyone but the unfenced primary of the newest reign become read-write") {
    std::size_t starts = 0;
    bool kept = true;
    for_every_situation([&](const Situation& s) {
        const auto action = decide(s).action;
        if (!is_one_of(action, {Action::start_primary, Action::bootstrap, Action::promote})) return;
        ++starts;
        kept = kept && s.topology && s.note && s.topology->primary == "a" && reign_of(*s.topology) >= s.note->reign &&
               !s.stop_requested && !*s.topology->members.at("a").fenced;
        if (action == Action::promote)
            kept = kept && s.server == Server::running && s.server_role == ha::Role::replica;
        else
            kept = kept && s.server == Server::down && !s.volume_busy;
        if (action == Action::start_primary)
            kept = kept && s.data == Data::whole && !s.replica_data && s.note->unfinished == Unfinished::nothing;
        if (action == Action::bootstrap) kept = kept && s.data == Data::absent && !s.note->held_data;
        REQUIRE(kept);
    });
    CHECK(starts > 0);
}

TEST_CASE("decision: in no situation is data overwritten but a replica's of a primary that is known") {
    std::size_t overwrites = 0;
    for_every_situation([&](const Situation& s) {
        const auto action = decide(s).action;
        if (!is_one_of(action, {Action::clone, Action::rewind})) return;
        ++overwrites;
        const bool kept = s.topology && s.note && s.topology->primary == "b" && s.server == Server::down &&
                          !s.volume_busy && !s.stop_requested && reign_of(*s.topology) >= s.note->reign &&
                          (action == Action::clone || s.note->unfinished != Unfinished::rewind);
        REQUIRE(kept);
    });
    CHECK(overwrites > 0);
}

TEST_CASE("decision: in no situation is data replaced unasked that is to be kept") {
    std::size_t kept = 0;
    for_every_situation([&](const Situation& s) {
        if (!s.keeps_lost_data) return;
        const auto action = decide(s).action;
        REQUIRE(action != Action::rewind);
        if (action != Action::clone) return void(++kept);
        const bool asked = s.topology->members.at("a").clone.value_or(0) > s.note->clone;
        REQUIRE((asked || s.data == Data::absent || s.note->unfinished == Unfinished::rewind));
    });
    CHECK(kept > 0);
}

TEST_CASE("decision: in no situation does a primary whose reign is over go on, or half a rewind start") {
    for_every_situation([&](const Situation& s) {
        const auto decision = decide(s);
        bool kept = true;
        const bool current = s.topology && s.note && reign_of(*s.topology) >= s.note->reign;
        if (current && s.server_role == ha::Role::primary && s.topology->primary != "a")
            kept = decision.action == Action::stop_now;
        if (is_one_of(decision.action, {Action::start_primary, Action::start_replica}))
            kept = current && s.data == Data::whole && s.note->unfinished != Unfinished::rewind && !s.volume_busy;
        // A former primary's data is not started as a replica's, unless its own promotion is to be ended.
        if (decision.action == Action::start_replica && !s.replica_data)
            kept = kept && s.topology->primary == "a" && s.note->unfinished == Unfinished::promotion;
        REQUIRE(kept);
    });
}

TEST_CASE("decision: what is up is not waited for, what is down is not stopped, and who waits says why") {
    for_every_situation([&](const Situation& s) {
        const auto decision = decide(s);
        const bool acts_on_running = is_one_of(decision.action, {Action::stop, Action::stop_now, Action::checkpoint,
                                                                 Action::reload, Action::promote, Action::keep});
        const bool kept = (s.server == Server::down) != acts_on_running &&
                          !(is_one_of(decision.action, {Action::wait, Action::pause}) && decision.reason.empty());
        REQUIRE(kept);
    });
}
