#include "instance_fixture.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

std::optional<ha::SlotStatus> slot_of(AgentFixture& on, const AgentFixture& of) {
    const auto status = on.status();
    if (!status || !status->slots) return std::nullopt;
    for (const auto& slot : *status->slots)
        if (slot.name == ha::slot_name(of.member)) return slot;
    return std::nullopt;
}

}  // namespace

TEST_CASE("agent slots: every member holds WAL for every other, and nobody for one that is gone") {
    InstanceFixture f(3);
    f.start();
    for (auto* replica : {&f.b(), &f.c()}) {
        REQUIRE(eventually([&] {
            const auto slot = slot_of(f.a(), *replica);
            return slot && slot->active && slot->restart_lsn;
        }));
        REQUIRE(eventually([&] { return slot_of(*replica, f.a()).has_value(); }));
    }
    REQUIRE(eventually([&] { return slot_of(f.b(), f.c()).has_value(); }));
    CHECK_FALSE(slot_of(f.a(), f.a()));
    query(f.a(), "SELECT pg_create_physical_replication_slot('somebodys_own')");

    f.topology.members.erase(f.c().member);
    f.tell();
    CHECK(eventually([&] { return !slot_of(f.a(), f.c()); }));
    CHECK(eventually([&] { return !slot_of(f.b(), f.c()); }));
    CHECK(slot_of(f.a(), f.b()));
    CHECK(query(f.a(), "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'somebodys_own'") == "1\n");
    CHECK(f.c().wait_for("out", [](const auto& s) { return s.state == ha::AgentState::waiting; }).role ==
          ha::Role::none);
}

TEST_CASE("agent slots: a replica's slots move on with what it has applied") {
    InstanceFixture f;
    f.start();
    std::optional<ha::SlotStatus> first;
    REQUIRE(eventually([&] { return (first = slot_of(f.b(), f.a())).has_value() && first->restart_lsn; }));
    query(f.a(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n");
    f.wait_applied(f.b(), f.a());
    CHECK(eventually([&] {
        const auto now = slot_of(f.b(), f.a());
        return now && now->restart_lsn != first->restart_lsn;
    }));
}
