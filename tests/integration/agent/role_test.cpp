#include "agent_fixture.hpp"
#include "support/catch.hpp"
#include "topology_api.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::test;

TEST_CASE("agent role: without a topology it waits, and says so") {
    AgentFixture f;
    f.start();
    const auto status = f.wait_for("a reason", [](const auto& s) { return s.reason.has_value(); });
    CHECK(status.state == ha::AgentState::waiting);
    CHECK(*status.reason == "the topology is not known");
    CHECK(f.get("/livez", false)->status == 200);
    CHECK(f.get("/readyz", false)->status == 503);
    f.write_topology(1, f.member);
    f.wait_ready();
    CHECK(f.get("/readyz", false)->status == 200);
}

TEST_CASE("agent role: does not start read-write while another member is the primary") {
    AgentFixture f;
    f.write_topology(1, "db-0a1b2c3d-2");
    f.start();
    // Nobody answers there: it tries, and waits.
    f.wait_for("a try", [](const auto& s) { return s.epoch == 1 && s.last_error.has_value() && !s.ready; });
    CHECK_FALSE(std::filesystem::exists(f.options.data_dir));
}

TEST_CASE("agent role: a primary that loses its role stops, and an older topology does not bring it back") {
    AgentFixture f;
    ha::Topology first{3, 0, f.member, {{f.member, {}}}, false};
    f.write_topology(first);
    f.start();
    f.wait_ready();
    f.write_topology(4, "db-0a1b2c3d-2");
    f.wait_for("stopped", [](const auto& s) { return s.role == ha::Role::none && s.epoch == 4; });
    CHECK_FALSE(f.psql("SELECT 1", f.password).status.ok());

    f.write_topology(5, f.member);
    f.wait_ready();
    CHECK(f.stop().ok());
    // What kubelet's mount shows may lag behind what this volume has obeyed.
    f.write_topology(4, f.member);
    f.start();
    const auto status =
        f.wait_for("a reason", [](const auto& s) { return s.reason.has_value() && *s.reason != "begins"; });
    CHECK(*status.reason == "the topology is of epoch 4, epoch 5 was obeyed before");
    CHECK(status.role == ha::Role::none);
}

TEST_CASE("agent role: a fenced member is down until the fence is lifted") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    ha::Topology fenced{1, 2, f.member, {{f.member, {}}}, std::nullopt};
    fenced.members[f.member].fenced = true;
    f.write_topology(fenced);
    f.wait_for("fenced", [](const auto& s) { return s.state == ha::AgentState::waiting; });
    f.write_topology(1, f.member);
    f.wait_ready();
}

TEST_CASE("agent role: a change of settings is taken over without a restart") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    const auto before = f.wait_ready();
    ha::Topology topology{1, 2, f.member, {{f.member, {}}}, std::nullopt};
    topology.members[f.member].parameters = {{"work_mem", "7MB"}, {"port", "1"}, {"log_line_prefix", "it's"}};
    f.write_topology(topology);
    CHECK(eventually([&] { return f.psql("SHOW work_mem", f.password).output == "7MB\n"; }));
    CHECK(f.psql("SHOW log_line_prefix", f.password).output == "it's\n");
    CHECK(f.wait_ready().postgres_started_at == before.postgres_started_at);
}

TEST_CASE("agent role: the superuser's password follows its Secret") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    f.write_password("another one");
    CHECK(eventually([&] { return f.psql("SELECT 1", "another one").output == "1\n"; }));
    CHECK_FALSE(f.psql("SELECT 1", f.password).status.ok());
    CHECK(f.log().find("another one") == std::string::npos);
}

TEST_CASE("agent role: a topology that only the API tells is obeyed, and so is its change") {
    AgentFixture f;
    TopologyApi api("the-token");
    f.offer_api(api.ca_pem(), api.port(), "the-token");
    api.set({1, 1, f.member, {{f.member, {}}}, std::nullopt});
    f.start();
    f.wait_ready();
    // The file is the older word of the two.
    f.write_topology(1, "db-0a1b2c3d-2");
    api.set({2, 2, "db-0a1b2c3d-2", {{f.member, {}}, {"db-0a1b2c3d-2", {}}}, std::nullopt});
    f.wait_for("stopped", [](const auto& s) { return s.role == ha::Role::none && s.epoch == 2; });
}

TEST_CASE("agent role: of one revision the API's word holds against the file's") {
    AgentFixture f;
    TopologyApi api("the-token");
    f.offer_api(api.ca_pem(), api.port(), "the-token");
    ha::Topology topology{1, 1, f.member, {{f.member, {}}}, std::nullopt};
    topology.members[f.member].parameters = std::map<std::string, std::string>{{"work_mem", "7MB"}};
    api.set(topology);
    f.start();
    f.wait_ready();
    CHECK(f.psql("SHOW work_mem", f.password).output == "7MB\n");
    f.write_topology(1, f.member);
    topology.revision = 2;
    topology.members[f.member].parameters = std::map<std::string, std::string>{{"work_mem", "8MB"}};
    api.set(topology);
    CHECK(eventually([&] { return f.psql("SHOW work_mem", f.password).output == "8MB\n"; }));
}
