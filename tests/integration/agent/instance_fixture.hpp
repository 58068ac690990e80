// An instance of several members under one topology; this is their control plane.
#pragma once
#include "agent_fixture.hpp"

namespace toygres::test {

class InstanceFixture {
  public:
    explicit InstanceFixture(int members = 2);

    AgentFixture& a() { return *members_.at(0); }
    AgentFixture& b() { return *members_.at(1); }
    AgentFixture& c() { return *members_.at(2); }

    ha::MemberSettings& settings(const AgentFixture& member) { return topology.members[member.member]; }
    // Tells all members (or one alone) the topology as it is now, in a new revision.
    void tell();
    void tell(AgentFixture& member);
    // A new epoch with this primary; "" for none.
    void begin_epoch(const std::string& primary);
    // All that is told is in effect with that member.
    void wait_obeyed(AgentFixture& member);

    // The first member is the primary and all the others stream from it.
    void start();
    void wait_streaming(AgentFixture& replica, AgentFixture& primary);
    // What the primary has written so far is applied there.
    void wait_applied(AgentFixture& replica, AgentFixture& primary);

    ha::Topology topology{};

  private:
    std::vector<std::unique_ptr<AgentFixture>> members_;
};

// A commit hangs there until a synchronous standby confirms it.
bool waits_for_standby(AgentFixture& primary);
// The output of a statement that must succeed.
std::string query(AgentFixture& member, const std::string& sql);

}  // namespace toygres::test
