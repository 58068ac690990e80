#include "world.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

http::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

// The entries of the audit, oldest first: "caller action object outcome code".
std::vector<std::string> entries(World& world) {
    std::vector<std::string> out;
    for (const auto row : world.sql("SELECT concat_ws(' ', coalesce(caller, '-'), action, coalesce(object, '-'), "
                                    "outcome, code) FROM audit_log ORDER BY id"))
        out.emplace_back(row.text(0));
    return out;
}

}  // namespace

TEST_CASE("audit: privileged calls have an entry, whatever came of them; others have none") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    REQUIRE(world.call("GET", "/api/v1/instances").status == 200);
    world.call("GET", "/api/v1/instances/mydb/connection");
    world.call("POST", "/api/v1/tokens", {{"name", "ci"}, {"role", "viewer"}});
    world.call("DELETE", "/api/v1/tokens/ci");
    world.call("DELETE", "/api/v1/tokens/ci");
    world.call("PUT", "/api/v1/failover", {{"automatic", false}});
    world.call("POST", "/api/v1/orchestrations/nobody/terminate", {{"reason", "r"}});
    world.call("POST", "/api/v1/orchestrations/nobody/reset", {{"event", 3}});
    world.call("DELETE", "/api/v1/instances/mydb", {}, {{"X-Request-Id", "req-7"}});
    CHECK(entries(world) == std::vector<std::string>{
                                "writer credentials.read mydb failed instance_not_ready",
                                "writer token.create ci done",
                                "writer token.revoke ci done",
                                "writer token.revoke ci failed token_not_found",
                                "writer failover.switch - done",
                                "writer orchestration.terminate nobody failed orchestration_not_found",
                                "writer orchestration.reset nobody failed orchestration_not_found",
                                "writer instance.delete mydb done",
                            });
    const auto last = world.sql("SELECT peer, request_id, owner, status FROM audit_log ORDER BY id DESC LIMIT 1");
    CHECK(last[0].text(0) == "127.0.0.1");
    CHECK(last[0].text(1) == "req-7");
    CHECK(last[0].text(2) == "writer");
    CHECK(last[0].text(3) == "202");
}

TEST_CASE("audit: what cannot be kept is not done") {
    World world;
    world.sql("ALTER TABLE audit_log RENAME TO away");
    CHECK(world.call("POST", "/api/v1/tokens", {{"name", "ci"}, {"role", "viewer"}}).status == 500);
    world.sql("ALTER TABLE away RENAME TO audit_log");
    CHECK(world.sql("SELECT 1 FROM api_tokens WHERE name = 'ci'").empty());
}

TEST_CASE("audit: refusals are in it, with whom and what; a flood of them is counted") {
    World world;
    const auto operating = world.token_of("op", "operator");
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    CHECK(world.call("DELETE", "/api/v1/instances/mydb", {}, bearer(operating)).status == 403);
    CHECK(world.call("GET", "/api/v1/tokens", {}, bearer(world.reader)).status == 403);
    CHECK(world.call("GET", "/api/v1/instances", {}, bearer("tgr_wrong")).status == 401);
    CHECK(entries(world) == std::vector<std::string>{
                                "op instance.delete mydb denied not_owner",
                                "reader GET /api/v1/tokens - denied insufficient_scope",
                                "- GET /api/v1/instances - denied unauthenticated",
                            });
    for (int n = 0; n < 50; ++n) world.call("GET", "/api/v1/tokens", {}, bearer(world.reader));
    CHECK(entries(world).size() == 10);
}

TEST_CASE("audit: is listed by administrators, newest first, page by page, by what is asked for") {
    World world;
    for (int n = 0; n < 5; ++n)
        world.call("POST", "/api/v1/tokens", {{"name", fmt::format("t{}", n)}, {"role", "viewer"}});
    world.call("DELETE", "/api/v1/tokens/t0");
    CHECK(world.call("GET", "/api/v1/audit", {}, bearer(world.reader)).status == 403);
    const auto first = json_of(world.call("GET", "/api/v1/audit?action=token.create&limit=3"));
    REQUIRE(first.at("audit").size() == 3);
    CHECK(first.at("audit")[0].at("object") == "t4");
    CHECK(first.at("audit")[0].at("outcome") == "done");
    const auto rest = json_of(world.call("GET", "/api/v1/audit?action=token.create&limit=3&page_token=" +
                                                    first.at("next_page_token").get<std::string>()));
    CHECK(rest.at("audit").size() == 2);
    CHECK_FALSE(rest.contains("next_page_token"));
    CHECK(json_of(world.call("GET", "/api/v1/audit?object=t0")).at("audit").size() == 2);
    CHECK(json_of(world.call("GET", "/api/v1/audit?outcome=denied")).at("audit").size() == 1);
    CHECK(json_of(world.call("GET", "/api/v1/audit?caller=nobody")).at("audit").empty());
    CHECK(fields_of(world.call("GET", "/api/v1/audit?outcome=fine")) == std::vector<std::string>{"outcome"});
}

TEST_CASE("lock-out: a network that guesses waits; tokens that are known work on, other ones do not") {
    World world;
    const auto fresh = world.token_of("fresh", "viewer");
    REQUIRE(world.call("GET", "/api/v1/instances").status == 200);
    for (int n = 0; n < 10; ++n) CHECK(world.call("GET", "/api/v1/instances", {}, bearer("tgr_guess")).status == 401);
    const auto locked = world.call("GET", "/api/v1/instances", {}, bearer("tgr_guess"));
    CHECK(locked.status == 429);
    CHECK(code_of(locked) == "locked_out");
    const auto wait = std::stoi(std::string(locked.headers.get("Retry-After")));
    CHECK(wait >= 1);
    CHECK(wait <= 30);
    CHECK(world.call("GET", "/api/v1/instances").status == 200);
    CHECK(world.call("GET", "/api/v1/instances", {}, bearer(fresh)).status == 429);
    auto bare = world.request("GET", "/livez");
    bare.headers = {};
    CHECK(world.send(bare).status == 200);
    // The tenth refusal took the last entry of this minute: the lock-out itself is counted, and told with the next one.
    CHECK(world.sql("SELECT 1 FROM audit_log WHERE code = 'unauthenticated'").size() == 10);
}

TEST_CASE("lock-out: a token that was known and is revoked does not work on") {
    World world;
    const auto text = world.token_of("gone", "viewer");
    REQUIRE(world.call("GET", "/api/v1/instances").status == 200);
    REQUIRE(world.call("GET", "/api/v1/instances", {}, bearer(text)).status == 200);
    for (int n = 0; n < 10; ++n) world.call("GET", "/api/v1/instances", {}, bearer("tgr_guess"));
    REQUIRE(world.call("DELETE", "/api/v1/tokens/gone").status == 200);
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    int status = 200;
    while (status == 200 && std::chrono::steady_clock::now() < deadline)
        status = world.call("GET", "/api/v1/instances", {}, bearer(text)).status;
    CHECK((status == 401 || status == 429));
}
