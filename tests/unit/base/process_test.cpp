#include "base/process.hpp"

#include "support/catch.hpp"

#include <csignal>

using namespace toygres;
using namespace std::chrono_literals;

namespace {

Result<Finished> run(Command command, std::string input = {}, std::chrono::milliseconds timeout = 30s) {
    asio::io_context io;
    std::optional<Result<Finished>> out;
    asio::co_spawn(io, run_command(std::move(command), std::move(input), timeout),
                   [&](std::exception_ptr e, Result<Finished> r) {
                       REQUIRE_FALSE(e);
                       out = std::move(r);
                   });
    io.run();
    return *out;
}

}  // namespace

TEST_CASE("process: hands over input, both outputs and the exit code") {
    const auto done = run({{"sh", "-c", "cat; echo oops >&2; exit 3"}}, "hello");
    REQUIRE(done);
    CHECK(done->output == "hello");
    CHECK(done->errors == "oops\n");
    CHECK(done->status.code == 3);
    CHECK_FALSE(done->status.signal);
}

TEST_CASE("process: says which signal ended a command") {
    const auto done = run({{"sh", "-c", "kill -9 $$"}});
    REQUIRE(done);
    CHECK(done->status.signal == SIGKILL);
    CHECK(to_string(done->status) == "signal 9 (Killed)");
}

TEST_CASE("process: a command that is not there is an error with its name") {
    const auto done = run({{"/nowhere/at-all"}});
    REQUIRE_FALSE(done);
    CHECK(done.error().code == "spawn_failed");
    CHECK(done.error().message == "/nowhere/at-all: No such file or directory");
}

TEST_CASE("process: a command that outlives its time is ended") {
    const auto done = run({{"sleep", "300"}}, {}, 50ms);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == "command_timed_out");
}

TEST_CASE("process: more input than a command reads does no harm") {
    const auto done = run({{"true"}}, std::string(1 << 20, 'x'));
    REQUIRE(done);
    CHECK(done->status.ok());
}

TEST_CASE("process: the environment is added to ours") {
    const auto done = run({{"sh", "-c", "printf %s \"$TG_TEST:${PATH:+path}\""}, {{"TG_TEST", "1"}}});
    REQUIRE(done);
    CHECK(done->output == "1:path");
}
