#include "instance_fixture.hpp"

#include "support/catch.hpp"

namespace toygres::test {

InstanceFixture::InstanceFixture(int members) {
    members_.push_back(std::make_unique<AgentFixture>(1));
    for (int n = 2; n <= members; ++n) members_.push_back(std::make_unique<AgentFixture>(n, a()));
    for (const auto& one : members_)
        for (const auto& other : members_)
            if (one != other) one->knows(*other);
    topology.epoch = 1;
    topology.primary = a().member;
    for (const auto& one : members_) topology.members[one->member] = {};
}

void InstanceFixture::tell() {
    ++topology.revision;
    for (const auto& one : members_) one->write_topology(topology);
}

void InstanceFixture::tell(AgentFixture& member) {
    ++topology.revision;
    member.write_topology(topology);
}

void InstanceFixture::begin_epoch(const std::string& primary) {
    ++topology.epoch;
    topology.primary = primary;
}

void InstanceFixture::wait_obeyed(AgentFixture& member) {
    member.wait_for("the topology in effect",
                    [&](const auto& s) { return s.epoch == topology.epoch && s.revision == topology.revision; });
}

void InstanceFixture::start() {
    tell();
    for (const auto& one : members_) one->start();
    for (const auto& one : members_)
        if (one.get() != &a()) wait_streaming(*one, a());
}

void InstanceFixture::wait_streaming(AgentFixture& replica, AgentFixture& primary) {
    replica.wait_for("streaming", [](const auto& s) {
        return s.ready && s.role == ha::Role::replica && s.receiver && s.receiver->status == "streaming";
    });
    const auto name = ha::stream_name(replica.member, topology.epoch);
    primary.wait_for("its standby", [&](const auto& s) {
        return std::ranges::any_of(s.peers.value_or(std::vector<ha::PeerStatus>()),
                                   [&](const auto& p) { return p.application_name == name && p.state == "streaming"; });
    });
}

void InstanceFixture::wait_applied(AgentFixture& replica, AgentFixture& primary) {
    const auto lsn = query(primary, "SELECT pg_current_wal_lsn()");
    const auto sql = "SELECT pg_last_wal_replay_lsn() >= '" + lsn.substr(0, lsn.size() - 1) + "'";
    REQUIRE(eventually([&] { return query(replica, sql) == "t\n"; }));
}

bool waits_for_standby(AgentFixture& primary) {
    return query(primary, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1\n";
}

std::string query(AgentFixture& member, const std::string& sql) {
    const auto done = member.psql(sql, member.password);
    INFO(sql << "\n" << done.errors << "\n" << member.log());
    REQUIRE(done.status.ok());
    return done.output;
}

}  // namespace toygres::test
