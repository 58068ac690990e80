#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "http/client.hpp"
#include "kube/agent_client.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

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

TEST_CASE("agent supervision: /status?watch tells at once, lives on, and tells what changes") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    const auto known = f.wait_ready();
    CHECK(f.get("/status?watch", false)->status == 403);

    asio::io_context io;
    http::Client client(io.get_executor(),
                        {.base_url = fmt::format("https://{}:{}", f.options.address, f.options.agent_port),
                         .tls = http::ClientTls{.ca_pem = f.secrets.ca.certificate_pem,
                                                .certificate_pem = f.secrets.client.certificate_pem,
                                                .private_key_pem = f.secrets.client.private_key_pem.reveal(),
                                                .server_name = f.options.instance}});
    // What is waited for, in this order; each step does what leads to the next.
    std::size_t step = 0;
    const auto said = [&](const std::string& line) {
        const auto status =
            line.empty() ? std::optional<ha::AgentStatus>() : std::optional(decode<ha::AgentStatus>(*parse_json(line)));
        switch (step) {
            case 0:
                return status && status->ready && status->member == f.member;
            case 1:
                return line.empty();
            case 2:
                return status && status->flush_lsn != known.flush_lsn;
            default:  // the server may be back before anybody looks
                return status && status->ready && status->restarts == known.restarts + 1;
        }
    };
    std::string unread;
    auto ended = asio::co_spawn(io,
                                client.stream({.method = "GET", .target = "/status?watch"}, std::chrono::seconds(20),
                                              [&](std::string_view piece) {
                                                  unread += piece;
                                                  for (auto end = unread.find('\n'); end != std::string::npos;
                                                       end = unread.find('\n')) {
                                                      const auto line = unread.substr(0, end);
                                                      unread.erase(0, end + 1);
                                                      if (!said(line)) continue;
                                                      ++step;
                                                      if (step == 2)
                                                          CHECK(f.psql("CREATE TABLE t ()", f.password).status.ok());
                                                      if (step == 3) ::kill(f.postmaster_pid(), SIGKILL);
                                                  }
                                                  return step < 4;
                                              }),
                                asio::use_future);
    io.run();
    const auto answer = ended.get();
    REQUIRE(answer);
    CHECK(step == 4);
}
