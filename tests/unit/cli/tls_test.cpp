#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

TEST_CASE("server: certificate and key go together") {
    cli::Launcher launcher;
    std::optional<cli::ServerOptions> server;
    launcher.server = [&](const cli::ServerOptions& o) {
        server = o;
        return 0;
    };
    const std::vector<std::string> base{"server", "--database-url", "x", "--seal-key-file", "k"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), base.begin(), base.end());
        return run_command(std::move(more), "", false, launcher).code;
    };
    CHECK(with({"--tls-cert", "c"}) == 2);
    CHECK(with({"--tls-key", "c"}) == 2);
    CHECK(with({"--tls-cert", "c", "--tls-key", "k"}) == 0);
    REQUIRE(server);
    CHECK(server->tls_cert_file == "c");
    CHECK(server->tls_key_file == "k");
    CHECK_FALSE(server->allow_plain_http);
    CHECK(server->keep_audit_days == 365);
    CHECK(server->keep_health_days == 30);
}
