// The command line against a server that runs.
#include "live_server.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

std::string completed(const LiveServer& server, const std::string& words) {
    const auto script = ran({program("toygres"), "completion", "bash"}).output;
    const auto command = fmt::format(
        "{}\nCOMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _toygres; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script, words);
    const std::string path = std::getenv("PATH");
    return ran({"bash", "-c", command}, {{"PATH", std::string(TOYGRES_BINARY_DIR) + ":" + path},
                                         {"TOYGRES_API_URL", server.url()},
                                         {"TOYGRES_API_TOKEN", server.token()}})
        .output;
}

Json check_named(const Finished& doctor, const std::string& name) {
    for (const auto& check : value_or_raise(parse_json(doctor.output)).at("checks"))
        if (check.at("name") == name) return check;
    return Json::object();
}

bool logged(const LiveServer& server, const std::string& event, const Json& fields) {
    for (const auto& line : server.log()) {
        if (line.at("event") != event) continue;
        bool same = true;
        for (const auto& [key, value] : fields.items()) same = same && line.value(key, Json()) == value;
        if (same) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("completion: knows the names of instances that exist") {
    LiveServer server(shared_postgres().create_database());
    for (const auto* name : {"orders", "orders-test", "users"})
        REQUIRE(server.call("POST", "/api/v1/instances", {{"name", name}}).status == 202);
    CHECK(completed(server, "toygres get or") == "orders-test\norders\n");
    CHECK(completed(server, "toygres replication status us") == "users\n");
    CHECK(completed(server, "toygres delete --y") == "--yes\n");
    CHECK_FALSE(completed(server, "toygres create ''").contains("orders"));
}

TEST_CASE("doctor: finds the database sound and the cluster away") {
    LiveServer server(shared_postgres().create_database());
    const auto doctor = server.cli({"doctor", "-o", "json"});
    INFO(doctor.output);
    CHECK(doctor.status.code == 1);
    for (const auto* sound : {"server.reachable", "cli.version", "cli.clock", "database.reachable", "database.version",
                              "database.schema", "database.durability", "database.clock"}) {
        INFO(sound);
        CHECK(check_named(doctor, sound).value("status", "") == "ok");
    }
    const auto cluster = check_named(doctor, "kubernetes.reachable");
    CHECK(cluster.value("status", "") == "failed");
    CHECK(cluster.value("advice", "").contains("kubeconfig"));
    // Over a unix socket the disk is this machine's.
    CHECK(check_named(doctor, "database.space").value("message", "").contains("MB of its disk are free"));
}

TEST_CASE("log-level: changes what a running server logs, and the change is on record") {
    LiveServer server(shared_postgres().create_database());
    REQUIRE(server.call("GET", "/livez").status == 200);
    CHECK_FALSE(logged(server, "request.handled", {{"route", "/livez"}}));
    CHECK(server.cli({"log-level", "debug"}).output == "toygres logs from debug\n");
    CHECK(logged(server, "log.level_changed", {{"from", "info"}, {"to", "debug"}}));
    REQUIRE(server.call("GET", "/livez").status == 200);
    CHECK(eventually([&] { return logged(server, "request.handled", {{"route", "/livez"}}); }));
}

TEST_CASE("logs: a request is found by its id, and what it began by the orchestration's") {
    LiveServer server(shared_postgres().create_database());
    const auto response = server.call("POST", "/api/v1/instances", {{"name", "mydb"}});
    REQUIRE(response.status == 202);
    const auto orchestration =
        value_or_raise(parse_json(response.body)).at("operation").at("orchestration").get<std::string>();
    const std::string request(response.headers.get("X-Request-Id"));
    CHECK(eventually([&] { return logged(server, "request.handled", {{"request_id", request}}); }));
    CHECK(eventually([&] { return logged(server, "activity.attempt_failed", {{"orchestration", orchestration}}); }));
}
