#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

struct Answering {
    explicit Answering(Json answer, int status = 200)
        : server([answer = std::move(answer), status](const http::Request&) { return json(answer, status); }) {}
    Outcome run(std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--api-url", server.url(), "--token", "tgr_x"});
        return run_command(std::move(arguments));
    }
    http::Request last() const { return server.requests().back(); }
    FakeServer server;
};

}  // namespace

TEST_CASE("token create: by the API; the token alone is on the standard output") {
    Answering api(Json{{"name", "ci"}, {"role", "operator"}, {"owner", "team-a"}, {"token", "tgr_new"}}, 201);
    const auto made = api.run({"token", "create", "ci", "--owner", "team-a", "--expires", "30d"});
    CHECK(made.code == 0);
    CHECK(made.out == "tgr_new\n");
    CHECK(api.last().target == "/api/v1/tokens");
    CHECK(*parse_json(api.last().body) ==
          Json{{"name", "ci"}, {"role", "operator"}, {"owner", "team-a"}, {"expires_in", "2592000s"}});
    CHECK(api.run({"token", "create", "ci", "--scope", "write"}).code == 0);
    CHECK(parse_json(api.last().body)->at("role") == "admin");
    CHECK(api.run({"token", "create", "ci", "--scope", "read", "--role", "admin"}).code == 2);
    CHECK(api.run({"token", "create", "ci", "--role", "root"}).code == 2);
}

TEST_CASE("token list, revoke: show what there is and what is gone") {
    const Json token = {{"id", "1"},
                        {"name", "ci"},
                        {"role", "viewer"},
                        {"owner", "team-a"},
                        {"created_at", "2026-11-21T05:04:57Z"},
                        {"last_used_at", "2026-11-21T06:00:00Z"}};
    Answering listing(Json{{"tokens", Json::array({token})}});
    const auto listed = listing.run({"token", "list"});
    CHECK(listed.code == 0);
    CHECK(listed.out.contains("ci    viewer  team-a  2026-11-21 05:04:57  2026-11-21 06:00:00  -"));
    Answering revoking(token);
    CHECK(revoking.run({"token", "revoke", "ci"}).code == 0);
    CHECK(revoking.last().method == "DELETE");
    CHECK(revoking.last().target == "/api/v1/tokens/ci");
}

TEST_CASE("audit: asks for what is wanted, and shows it") {
    Answering api(Json{{"audit",
                        {{{"id", 7},
                          {"at", "2026-11-21T05:04:57Z"},
                          {"peer", "192.0.2.7"},
                          {"action", "credentials.read"},
                          {"object", "mydb"},
                          {"outcome", "denied"},
                          {"code", "not_owner"},
                          {"request_id", "r"},
                          {"left_out", 3}}}}});
    const auto shown = api.run({"audit", "--outcome", "denied", "--object", "mydb", "-n", "5"});
    CHECK(shown.code == 0);
    CHECK(shown.out.contains("credentials.read  mydb    denied   not_owner  3"));
    CHECK(api.last().target == "/api/v1/audit?object=mydb&outcome=denied&limit=5");
    CHECK(api.run({"audit", "--outcome", "fine"}).code == 2);
}

TEST_CASE("set-owner: says whose it is") {
    Answering api(Json{{"name", "mydb"}, {"owner", "team-b"}});
    CHECK(api.run({"set-owner", "mydb", "team-b"}).out == "mydb belongs to team-b\n");
    CHECK(api.last().method == "PATCH");
    CHECK(*parse_json(api.last().body) == Json{{"owner", "team-b"}});
}

TEST_CASE("tag: sets tags and takes them away, and shows what there is then") {
    Answering api(Json{{"name", "mydb"}, {"tags", {{"team", "web"}, {"note", "a=b-"}}}});
    CHECK(api.run({"tag", "mydb", "team=web", "note=a=b-", "spare-"}).out == "mydb is tagged note=a=b-, team=web\n");
    CHECK(api.last().method == "PATCH");
    CHECK(api.last().target == "/api/v1/instances/mydb/tags");
    CHECK(*parse_json(api.last().body) == Json{{"team", "web"}, {"note", "a=b-"}, {"spare", nullptr}});
    Answering none(Json{{"name", "mydb"}, {"tags", Json::object()}});
    CHECK(none.run({"tag", "mydb", "team-"}).out == "mydb has no tags\n");
    for (const auto* wrong : {"team", "=web", "-"}) {
        Answering refusing(Json::object());
        const auto ran = refusing.run({"tag", "mydb", wrong});
        CHECK(ran.code != 0);
        CHECK(ran.err.contains("KEY=VALUE or KEY-"));
    }
    CHECK(none.run({"tag", "mydb"}).code == 2);
}
