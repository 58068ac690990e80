#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "kube/agent_client.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

using namespace toygres;
using namespace toygres::test;

TEST_CASE("agent supervision: SIGTERM shuts postgres down cleanly and ends the agent with 0") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    REQUIRE(f.psql("CREATE TABLE kept AS SELECT 42 AS n", f.password).status.ok());
    CHECK(f.stop().ok());
    CHECK(f.postmaster_pid() == 0);
    CHECK(f.log().find("database system is shut down") != std::string::npos);
    f.start();
    f.wait_ready();
    CHECK(f.psql("SELECT n FROM kept", f.password).output == "42\n");
    CHECK(f.log().find("database system was not properly shut down") == std::string::npos);
}

TEST_CASE("agent supervision: a postmaster that is killed is noticed, told and started again") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    REQUIRE(f.psql("CREATE TABLE kept AS SELECT 42 AS n", f.password).status.ok());
    REQUIRE(::kill(f.postmaster_pid(), SIGKILL) == 0);
    const auto status = f.wait_for("restarted", [](const auto& s) { return s.restarts == 1 && s.ready; });
    REQUIRE(status.last_exit);
    CHECK(status.last_exit->how == "signal 9 (Killed)");
    CHECK(f.psql("SELECT n FROM kept", f.password).output == "42\n");
}

TEST_CASE("agent supervision: postgres does not outlive an agent that is killed") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    REQUIRE(f.psql("CREATE TABLE kept AS SELECT 42 AS n", f.password).status.ok());
    const auto postmaster = f.postmaster_pid();
    f.kill();
    CHECK(eventually([&] { return ::kill(postmaster, 0) != 0; }));
    f.start();
    f.wait_ready();
    CHECK(f.psql("SELECT n FROM kept", f.password).output == "42\n");
}

TEST_CASE("agent supervision: a stale postmaster.pid that names a living process does no harm") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    CHECK(f.stop().ok());
    // The test itself: alive, and no postgres.
    REQUIRE(write_file_atomically(f.options.data_dir + "/postmaster.pid",
                                  std::to_string(::getpid()) + "\n" + f.options.data_dir + "\n1\n5432\n\n\n\nready\n",
                                  0644));
    f.start();
    const auto status = f.wait_ready();
    CHECK(status.restarts == 0);
}

TEST_CASE("agent supervision: /status is for the control plane's certificate, or from inside the pod") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    CHECK(f.get("/status", false)->status == 403);
    CHECK(f.get("/status", true)->status == 200);
    CHECK(f.get("/nothing", true)->status == 404);
    const auto inside = f.agent_command("status");
    INFO(inside.errors);
    CHECK(inside.status.ok());
    CHECK(decode<ha::AgentStatus>(*parse_json(inside.output)).ready);
    CHECK(f.agent_command("probe").status.ok());
    // A certificate of the same CA, but another name.
    f.secrets.client = issue_certificate(f.secrets.ca, {"somebody", {}, {}, std::chrono::hours(1), false, true});
    CHECK(f.get("/status", true)->status == 403);
}

TEST_CASE("agent supervision: a data directory that was opened to the group is closed again") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    CHECK(f.stop().ok());
    // As kubelet does for fsGroup.
    REQUIRE(::chmod(f.options.data_dir.c_str(), 02770) == 0);
    f.start();
    CHECK(f.wait_ready().restarts == 0);
}

TEST_CASE("agent supervision: the control plane's client reads the status") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    const auto ask = [&](const std::string& name) {
        http::ClientTls tls{.ca_pem = f.secrets.ca.certificate_pem,
                            .certificate_pem = f.secrets.client.certificate_pem,
                            .private_key_pem = f.secrets.client.private_key_pem.reveal(),
                            .server_name = name};
        asio::io_context io;
        auto answer =
            asio::co_spawn(io, kube::agent_status(io.get_executor(), f.options.address, tls, std::chrono::seconds(20)),
                           asio::use_future);
        io.run();
        return answer.get();
    };
    const auto status = ask(f.options.instance);
    REQUIRE(status);
    CHECK(status->member == f.member);
    CHECK(ask("another-instance").error().code == "agent_untrusted");
}
