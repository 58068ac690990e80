#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <unistd.h>

using namespace toygres;
using namespace toygres::test;

namespace fs = std::filesystem;

TEST_CASE("agent bootstrap: makes a database that is reached by TLS and SCRAM only") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    const auto status = f.wait_for("ready in epoch 1", [](const auto& s) { return s.ready && s.epoch == 1; });
    CHECK(status.role == ha::Role::primary);
    CHECK(status.state == ha::AgentState::running);
    INFO(status.last_error.value_or("") << f.log());
    CHECK(status.timeline == 1);
    CHECK(status.flush_lsn);
    CHECK(status.restarts == 0);
    CHECK(status.disk_total_bytes.value_or(0) > 0);

    const auto answer =
        f.psql("SHOW data_checksums; SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();", f.password);
    INFO(answer.errors);
    CHECK(answer.output == "on\nt\n");
    CHECK_FALSE(f.psql("SELECT 1", "wrong").status.ok());
    CHECK_FALSE(f.psql("SELECT 1", f.password, "disable").status.ok());
    CHECK(f.psql("SELECT count(*) FROM pg_hba_file_rules WHERE type = 'host' OR auth_method NOT IN ('peer', "
                 "'scram-sha-256')",
                 f.password)
              .output == "0\n");
}

TEST_CASE("agent bootstrap: the replication role gets the password of its Secret") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    CHECK(eventually([&] {
        return f.psql("SELECT rolreplication FROM pg_roles WHERE rolname = 'toygres_replication'", f.password).output ==
               "t\n";
    }));
}

TEST_CASE("agent bootstrap: kill -9 in the middle of initdb leaves nothing that is taken for a database") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    REQUIRE(eventually([&] {
        const auto made = f.unfinished();
        return !made.empty() && fs::exists(made.front() + "/PG_VERSION");
    }));
    f.kill();
    CHECK_FALSE(fs::exists(f.options.data_dir));
    f.start();
    f.wait_ready();
    CHECK(f.unfinished().empty());
    CHECK(f.psql("SELECT 1", f.password).output == "1\n");
}

TEST_CASE("agent bootstrap: SIGTERM during initdb ends both at once") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    REQUIRE(eventually([&] { return !f.unfinished().empty(); }));
    CHECK(f.stop().ok());
    CHECK_FALSE(fs::exists(f.options.data_dir));
}

TEST_CASE("agent bootstrap: an empty volume of an instance that has had data is not initialised") {
    AgentFixture f;
    ha::Topology topology{1, 1, f.member, {{f.member, {}}}, true};
    f.write_topology(topology);
    f.start();
    const auto status = f.wait_for("a reason", [](const auto& s) { return s.reason.has_value(); });
    CHECK(status.state == ha::AgentState::waiting);
    CHECK(status.reason->find("not initialised anew") != std::string::npos);
    CHECK_FALSE(fs::exists(f.options.data_dir));
}

TEST_CASE("agent bootstrap: no secret shows in the arguments or the environment of any process") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    bool seen = false;
    const auto look = [&] {
        std::error_code e;
        for (const auto& entry : fs::directory_iterator("/proc", e)) {
            for (const char* file : {"/cmdline", "/environ"}) {
                const auto text = read_file(entry.path().string() + file).value_or("");
                // This very process holds it as its own data only.
                if (text.contains(f.password) || text.contains(f.secrets.replication_password.reveal())) seen = true;
            }
        }
    };
    REQUIRE(eventually([&] {
        look();
        const auto status = f.status();
        return status && status->ready;
    }));
    look();
    CHECK_FALSE(seen);
    CHECK(f.log().find(f.password) == std::string::npos);
}
