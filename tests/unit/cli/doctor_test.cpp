#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

Json found(const std::string& status) {
    Json check = {{"name", "database.schema"}, {"status", status}, {"message", "the schema is at migration 3"}};
    if (status != "ok") check["advice"] = "run: toygres migrate";
    return check;
}

// A server whose own check of the schema comes out like this, and whose clock is that much off.
FakeServer::Answer server_with(const std::string& status, std::chrono::milliseconds off = 0ms,
                               const std::string& version = TOYGRES_VERSION) {
    return [=](const http::Request& request) {
        if (request.target == "/version") return json({{"version", version}});
        return json({{"server", "s"},
                     {"version", version},
                     {"time", format_rfc3339(now() + off)},
                     {"checks", Json::array({found(status)})}});
    };
}

Outcome doctor(const FakeServer& server, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"doctor", "--api-url", server.url(), "--token", "t"});
    return run_command(std::move(more));
}

std::string status_of(const Outcome& outcome, const std::string& name) {
    for (const auto& check : Json::parse(outcome.out).at("checks"))
        if (check.at("name") == name) return check.at("status").get<std::string>();
    return "absent";
}

}  // namespace

TEST_CASE("doctor: all well is exit code 0; each check is a line") {
    FakeServer server(server_with("ok"));
    const auto outcome = doctor(server);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.contains("✓ database.schema"));
    CHECK(outcome.out.contains("✓ cli.version"));
    CHECK(outcome.out.contains("4 ok, 0 warnings, 0 failed\n"));
}

TEST_CASE("doctor: what failed makes it exit code 1 and comes with how to mend it; a warning does not") {
    FakeServer failing(server_with("failed"));
    const auto outcome = doctor(failing);
    CHECK(outcome.code == 1);
    CHECK(outcome.out.contains("✗ database.schema"));
    CHECK(outcome.out.contains("→ run: toygres migrate"));
    FakeServer warning(server_with("warning"));
    CHECK(doctor(warning).code == 0);
    CHECK(doctor(warning).out.contains("3 ok, 1 warning, 0 failed\n"));
}

TEST_CASE("doctor: tells of another release and of a clock that is off") {
    FakeServer server(server_with("ok", 10s, "99.0"));
    const auto outcome = doctor(server, {"-o", "json"});
    CHECK(outcome.code == 0);
    CHECK(status_of(outcome, "cli.version") == "warning");
    CHECK(status_of(outcome, "cli.clock") == "warning");
    FakeServer sound(server_with("ok"));
    CHECK(status_of(doctor(sound, {"-o", "json"}), "cli.clock") == "ok");
}

TEST_CASE("doctor: a server that is away, and a token that is refused, fail with what to do") {
    const auto away = run_command({"doctor", "--api-url", "http://127.0.0.1:1", "-o", "json"});
    CHECK(away.code == 1);
    CHECK(status_of(away, "server.reachable") == "failed");
    CHECK(away.out.contains("toygres login"));
    FakeServer strict([](const http::Request& request) {
        return request.target == "/version" ? json({{"version", TOYGRES_VERSION}})
                                            : refusal(401, "unauthenticated", "this needs a token");
    });
    const auto refused = doctor(strict, {"-o", "json"});
    CHECK(refused.code == 1);
    CHECK(status_of(refused, "server.checks") == "failed");
}

TEST_CASE("log-level: shows and changes what the server logs") {
    FakeServer server([](const http::Request& request) {
        const auto level = request.method == "PUT" ? Json::parse(request.body).at("level") : Json("info");
        return json({{"server", "s-1"}, {"level", level}});
    });
    CHECK(run_command({"log-level", "--api-url", server.url()}).out == "s-1 logs from info\n");
    CHECK(run_command({"log-level", "debug", "--api-url", server.url()}).out == "s-1 logs from debug\n");
    CHECK(server.requests().back().target == "/api/v1/system/log-level");
    CHECK(run_command({"log-level", "loud", "--api-url", server.url()}).code == 2);
}
