#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

TEST_CASE("rotate-password: is asked for with a key that makes a repeat harmless") {
    FakeServer server([](const http::Request&) {
        return json(Json{{"operation", an_operation("running")}, {"instance", an_instance("mydb")}}, 202);
    });
    const auto rotating = run_command({"rotate-password", "mydb", "--api-url", server.url(), "--token", "tgr_x"});
    CHECK(rotating.code == 0);
    CHECK(server.requests().back().target == "/api/v1/instances/mydb/rotate-password");
    CHECK(server.requests().back().headers.has("Idempotency-Key"));
}

TEST_CASE("rotate-key: knows its file or its Secret, and falls back on the state directory") {
    cli::Launcher launcher;
    std::optional<cli::RotateKeyOptions> given;
    launcher.rotate_key = [&](const cli::RotateKeyOptions& o) {
        given = o;
        return 0;
    };
    CHECK(run_command({"rotate-key", "--seal-key-file", "/k", "--wait", "1s"}, "", false, launcher).code == 0);
    REQUIRE(given);
    CHECK(given->seal_key_file == "/k");
    CHECK(given->wait == 1s);
    CHECK(run_command({"rotate-key", "--installation-secret", "s"}, "", false, launcher).code == 0);
    CHECK(given->installation_secret == "s");
    CHECK(given->seal_key_file.empty());
    CHECK(run_command({"rotate-key", "--state-dir", "/there"}, "", false, launcher).code == 0);
    CHECK(given->seal_key_file == "/there/seal.key");
}
