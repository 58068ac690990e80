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
    s.topology = ha::Topology{2, "a", {{"a", {}}, {"b", {}}}, std::nullopt};
    s.epoch_seen = 2;
    s.data = Data::whole;
    s.server = Server::down;
    s.server_role = ha::Role::none;
    s.restart_pause_over = true;
    return s;
}

Situation running() {
    auto s = healthy();
    s.server = Server::running;
    s.server_role = ha::Role::primary;
    return s;
}

template <class Change> Decision after(Situation s, Change change) {
    change(s);
    return decide(s);
}

}  // namespace

TEST_CASE("decision: the primary of the current epoch starts") {
    CHECK(decide(healthy()).action == Action::start_primary);
}

TEST_CASE("decision: a server that runs as it should is let be") {
    CHECK(decide(running()).action == Action::keep);
    CHECK(after(running(), [](auto& s) { s.configuration_outdated = true; }).action == Action::reload);
    CHECK(after(running(), [](auto& s) {
              s.configuration_outdated = true;
              s.server = Server::starting;
          }).action == Action::keep);
}

TEST_CASE("decision: what is unknown or outdated starts nothing and stops nothing") {
    const auto forget = [](Situation& s) { s.topology.reset(); };
    const auto older = [](Situation& s) { s.epoch_seen = 3; };
    CHECK(after(healthy(), forget) == Decision{Action::wait, "the topology is not known"});
    CHECK(after(running(), forget) == Decision{Action::keep, "the topology is not known"});
    CHECK(after(healthy(), older) == Decision{Action::wait, "the topology is of epoch 2, epoch 3 was obeyed before"});
    CHECK(after(running(), older).action == Action::keep);
}

TEST_CASE("decision: whoever may not be primary is stopped, or stays down with the reason") {
    const std::vector<std::pair<std::string, std::function<void(Situation&)>>> cases{
        {"b is the primary of epoch 2; this release runs no replicas", [](Situation& s) { s.topology->primary = "b"; }},
        {"epoch 2 has no primary", [](Situation& s) { s.topology->primary = ""; }},
        {"is fenced in epoch 2", [](Situation& s) { s.topology->members["a"].fenced = true; }},
        {"is not a member in epoch 2", [](Situation& s) { s.topology->members.erase("a"); }},
    };
    for (const auto& [reason, change] : cases) {
        CHECK(after(healthy(), change) == Decision{Action::wait, reason});
        CHECK(after(running(), change) == Decision{Action::stop, reason});
        auto stopping = running();
        stopping.server = Server::stopping;
        CHECK(after(stopping, change) == Decision{Action::keep, reason});
    }
}

TEST_CASE("decision: an empty volume is initialised once in the life of an instance") {
    auto s = healthy();
    s.data = Data::absent;
    s.epoch_seen = 0;
    s.topology->epoch = 1;
    CHECK(decide(s).action == Action::bootstrap);
    CHECK(after(s, [](auto& t) { t.topology->initialized = true; }).action == Action::wait);
    CHECK(after(s, [](auto& t) { t.epoch_seen = 1; }).action == Action::wait);
    CHECK(after(s, [](auto& t) { t.topology->epoch = 2; }).action == Action::wait);
    CHECK(after(s, [](auto& t) {
              t.topology->epoch = 2;
              t.topology->initialized = false;
          }).action == Action::bootstrap);
    CHECK(after(s, [](auto& t) { t.restart_pause_over = false; }).action == Action::wait);
}

TEST_CASE("decision: data that is not ours to start is left alone") {
    CHECK(after(healthy(), [](auto& s) { s.data = Data::foreign; }).action == Action::wait);
    CHECK(after(healthy(), [](auto& s) { s.replica_data = true; }).action == Action::wait);
    CHECK(after(healthy(), [](auto& s) { s.volume_busy = true; }).action == Action::wait);
    CHECK(after(healthy(), [](auto& s) { s.restart_pause_over = false; }).action == Action::wait);
}

TEST_CASE("decision: SIGTERM comes before everything") {
    const auto stop = [](Situation& s) { s.stop_requested = true; };
    CHECK(after(healthy(), stop).action == Action::exit);
    CHECK(after(running(), stop).action == Action::stop);
    auto stopping = running();
    stopping.server = Server::stopping;
    CHECK(after(stopping, stop).action == Action::keep);
}

// Every combination of what can be seen: the rules of safety hold in all of them.
TEST_CASE("decision: in no situation does anyone but the unfenced primary of the current epoch start") {
    std::size_t starts = 0;
    for (unsigned bits = 0; bits < 1U << 9; ++bits)
        for (const auto data : {Data::absent, Data::whole, Data::foreign})
            for (const auto server : {Server::down, Server::starting, Server::running, Server::stopping})
                for (const char* primary : {"a", "b", ""}) {
                    const auto bit = [bits](int n) { return (bits >> n & 1) != 0; };
                    Situation s = healthy();
                    s.stop_requested = bit(0);
                    s.topology->primary = primary;
                    s.topology->members["a"].fenced = bit(1);
                    if (bit(2)) s.topology->initialized = true;
                    s.epoch_seen = bit(3) ? 3 : 0;
                    s.replica_data = bit(4);
                    s.volume_busy = bit(5);
                    s.restart_pause_over = bit(6);
                    s.configuration_outdated = bit(7);
                    if (bit(8)) s.topology.reset();
                    s.data = data;
                    s.server = server;
                    s.server_role = server == Server::down ? ha::Role::none : ha::Role::primary;
                    const auto decision = decide(s);
                    const bool begins =
                        decision.action == Action::start_primary || decision.action == Action::bootstrap;
                    if (begins) {
                        ++starts;
                        REQUIRE(s.topology);
                        REQUIRE(s.topology->primary == "a");
                        REQUIRE(s.topology->epoch >= s.epoch_seen);
                        REQUIRE_FALSE(s.stop_requested);
                        REQUIRE_FALSE(*s.topology->members["a"].fenced);
                        REQUIRE_FALSE(s.volume_busy);
                        REQUIRE_FALSE(s.replica_data);
                        REQUIRE(server == Server::down);
                        REQUIRE((decision.action == Action::start_primary) == (data == Data::whole));
                    }
                    if (server == Server::down) REQUIRE(decision.action != Action::stop);
                    if (server != Server::down) REQUIRE(decision.action != Action::wait);
                    if (decision.action == Action::wait) REQUIRE_FALSE(decision.reason.empty());
                }
    CHECK(starts > 0);
}
