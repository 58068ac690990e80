#include "harness.hpp"

#include <atomic>

using namespace toygres;
using namespace toygres::test;

namespace {

Outcome on(const FakeServer& server, std::vector<std::string> arguments, const std::string& input = {},
           bool terminal = false) {
    arguments.insert(arguments.end(), {"--api-url", server.url(), "--token", "t"});
    return run_command(std::move(arguments), input, terminal);
}

Json accepted() { return {{"operation", an_operation("running")}, {"instance", an_instance("mydb", "creating")}}; }

// A creation whose operation goes through `states` ("running:stage" or a final state), one per look.
struct Creation {
    explicit Creation(std::vector<std::string> s) : states(std::move(s)) {}
    http::Response operator()(const http::Request& request) {
        if (request.method != "GET") return json(accepted(), 202);
        if (request.target.starts_with("/api/v1/instances/")) return json(an_instance("mydb"));
        const auto state = states[std::min(looks++, states.size() - 1)];
        auto operation = state.starts_with("running:") ? an_operation("running", state.substr(8)) : an_operation(state);
        if (state == "failed") operation["error"] = {{"code", "pod_cannot_start"}, {"message", "no such image"}};
        return json(operation);
    }
    std::vector<std::string> states;
    std::size_t looks = 0;
};

}  // namespace

TEST_CASE("create: sends what was asked for, once, under a key") {
    FakeServer server([](const http::Request&) { return json(accepted(), 202); });
    const auto outcome = on(server,
                            {"create", "mydb", "--version", "15", "--storage", "3", "--internal", "--tag", "a=b=c",
                             "-t", "d=", "--check-interval", "5s", "--password-stdin"},
                            "correct horse\n");
    CHECK(outcome.code == 0);
    CHECK(outcome.out.contains("Instance creation started"));
    CHECK(outcome.out.contains("mydb-1a2b3c4d"));
    CHECK(outcome.out.contains("toygres operation op-1 --wait"));
    const auto request = server.requests().front();
    CHECK(request.method + " " + request.target == "POST /api/v1/instances");
    CHECK(request.headers.get("Idempotency-Key").size() == 36);
    CHECK(Json::parse(request.body) == Json{{"name", "mydb"},
                                            {"postgres_version", "15"},
                                            {"storage_size_gb", 3},
                                            {"internal", true},
                                            {"tags", {{"a", "b=c"}, {"d", ""}}},
                                            {"check_interval", "5s"},
                                            {"password", "correct horse"}});
    CHECK(on(server, {"create", "mydb", "-K", "mine"}).code == 0);
    CHECK(server.requests().back().headers.get("Idempotency-Key") == "mine");
    CHECK(Json::parse(server.requests().back().body) == Json{{"name", "mydb"}});
}

TEST_CASE("create: a placement is sent as it was chosen") {
    FakeServer server([](const http::Request&) { return json(accepted(), 202); });
    const auto outcome = on(server, {"create",
                                     "mydb",
                                     "--spread",
                                     "zone",
                                     "--spread-required",
                                     "--priority-class",
                                     "high",
                                     "--cpu",
                                     "500m",
                                     "--memory",
                                     "1Gi",
                                     "--memory-limit",
                                     "2Gi",
                                     "--storage-class",
                                     "fast",
                                     "--pod-annotation",
                                     "a.example/b=c=d",
                                     "--service-annotation",
                                     "e=",
                                     "--source-range",
                                     "203.0.113.0/24",
                                     "--source-range",
                                     "2001:db8::/32"});
    CHECK(outcome.code == 0);
    CHECK(Json::parse(server.requests().front().body).at("placement") ==
          Json{{"spread", "zone"},
               {"spread_required", true},
               {"priority_class", "high"},
               {"resources", {{"cpu_request", "500m"}, {"memory_request", "1Gi"}, {"memory_limit", "2Gi"}}},
               {"storage_class", "fast"},
               {"pod_annotations", {{"a.example/b", "c=d"}}},
               {"service_annotations", {{"e", ""}}},
               {"load_balancer_source_ranges", {"203.0.113.0/24", "2001:db8::/32"}}});
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{"--spread", "rack"}, {"--spread-required"}, {"--pod-annotation", "a"}}) {
        auto words = wrong;
        words.insert(words.begin(), {"create", "mydb"});
        CHECK(on(server, words).code != 0);
    }
    CHECK(server.requests().size() == 1);
}

TEST_CASE("create: the answer is the API's own object with -o json") {
    FakeServer server([](const http::Request&) { return json(accepted(), 202); });
    const auto outcome = on(server, {"create", "mydb", "-o", "json"});
    CHECK(Json::parse(outcome.out).at("operation").at("id") == "op-1");
}

TEST_CASE("create: an answer that got lost is asked for again under the same key") {
    std::atomic<int> calls = 0;
    FakeServer server([&](const http::Request&) {
        return calls++ == 0 ? refusal(503, "database_unavailable", "away") : json(accepted(), 202);
    });
    CHECK(on(server, {"create", "mydb"}).code == 0);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].headers.get("Idempotency-Key") == requests[1].headers.get("Idempotency-Key"));
}

TEST_CASE("create --wait: tells each stage once and ends with the address") {
    FakeServer server(Creation(
        {"running:applying objects", "running:starting PostgreSQL", "running:starting PostgreSQL", "succeeded"}));
    const auto outcome = on(server, {"create", "mydb", "--wait"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out.contains("mydb is running at 127.8.0.1:5432"));
    const auto first = outcome.err.find("starting PostgreSQL");
    CHECK(outcome.err.contains("creating mydb: applying objects"));
    CHECK(first != std::string::npos);
    CHECK(outcome.err.find("starting PostgreSQL", first + 1) == std::string::npos);
    CHECK_FALSE(outcome.err.contains("\033"));
}

TEST_CASE("create --wait: tells what Kubernetes keeps it waiting for") {
    int looks = 0;
    FakeServer server([&](const http::Request& request) {
        if (request.method == "POST") return json(accepted(), 202);
        if (!request.target.contains("/operations/")) return json(an_instance("mydb", "running"));
        auto operation = an_operation(++looks > 2 ? "succeeded" : "running", "starting PostgreSQL");
        operation["progress"]["reason"] = "ImagePullBackOff";
        operation["progress"]["message"] = "postgres: no such\nimage";
        return json(operation);
    });
    const auto outcome = on(server, {"create", "mydb", "--wait"});
    CHECK(outcome.code == 0);
    CHECK(outcome.err.contains("creating mydb: starting PostgreSQL; ImagePullBackOff: postgres: no such image ("));
}

TEST_CASE("create --wait: a failure is exit code 4 with its reason, a time-out 5") {
    FakeServer failing(Creation({"running:starting PostgreSQL", "failed"}));
    const auto failed = on(failing, {"create", "mydb", "--wait"});
    CHECK(failed.code == 4);
    CHECK(failed.err.contains("creating mydb failed: no such image"));
    FakeServer endless(Creation({"running:starting PostgreSQL"}));
    const auto late = on(endless, {"create", "mydb", "--wait", "--timeout", "1s"});
    CHECK(late.code == 5);
    CHECK(late.err.contains("toygres operation op-1"));
}

TEST_CASE("create --wait: a server that goes away and comes back is waited for, which is told once") {
    Creation creation({"running:starting PostgreSQL"});
    auto server = std::make_unique<FakeServer>([&](const http::Request& r) { return creation(r); });
    const auto port = server->port();
    std::thread restart([&] {
        while (server->requests().size() < 3) std::this_thread::sleep_for(10ms);
        server.reset();
        {
            // Whoever calls meanwhile is cut off.
            asio::io_context io;
            asio::ip::tcp::acceptor closed_door(io, {asio::ip::make_address("127.0.0.1"), port});
            for (int calls = 0; calls < 2; ++calls) closed_door.accept().close();
        }
        creation.states = {"succeeded"};
        server = std::make_unique<FakeServer>([&](const http::Request& r) { return creation(r); }, port);
    });
    const auto url = fmt::format("http://127.0.0.1:{}", port);
    const auto outcome = run_command({"create", "mydb", "--wait", "--api-url", url, "--token", "t"});
    restart.join();
    CHECK(outcome.code == 0);
    CHECK(outcome.err.contains("the server is back"));
    const auto told = outcome.err.find("does not answer");
    CHECK(told != std::string::npos);
    CHECK(outcome.err.find("does not answer", told + 1) == std::string::npos);
}

TEST_CASE("refusals: exit codes follow what the server says") {
    const auto code_for = [](int status, const std::string& code) {
        FakeServer server([&](const http::Request&) { return refusal(status, code, "because"); });
        const auto outcome = on(server, {"get", "mydb"});
        CHECK(outcome.err == "toygres: because" + std::string(status == 500 ? " (req-1)" : "") + "\n");
        return outcome.code;
    };
    CHECK(code_for(404, "instance_not_found") == 3);
    CHECK(code_for(400, "invalid_request") == 2);
    CHECK(code_for(409, "name_taken") == 1);
    CHECK(code_for(500, "internal") == 1);
    CHECK(code_for(403, "insufficient_scope") == 1);
}

TEST_CASE("delete: asks on a terminal, and needs --yes without one") {
    FakeServer server([](const http::Request& request) {
        return request.method == "GET" ? json(an_instance("mydb")) : json(accepted(), 202);
    });
    const auto deletions = [&] {
        return std::ranges::count_if(server.requests(), [](const auto& r) { return r.method == "DELETE"; });
    };
    CHECK(on(server, {"delete", "mydb"}).code == 2);
    CHECK(on(server, {"delete", "mydb"}, "n\n", true).code == 1);
    CHECK(on(server, {"delete", "mydb"}, "", true).code == 1);
    CHECK(deletions() == 0);
    const auto asked = on(server, {"delete", "mydb"}, "y\n", true);
    CHECK(asked.code == 0);
    CHECK(asked.err.contains("PostgreSQL 15, 10GB, made 3h ago"));
    CHECK(on(server, {"delete", "mydb", "--yes"}).code == 0);
    CHECK(deletions() == 2);
}

TEST_CASE("list: shows a table, follows pages, and prints the API's objects on request") {
    FakeServer server([](const http::Request& request) {
        return request.target.contains("page_token=more")
                   ? json({{"instances", {an_instance("second", "failed")}}})
                   : json({{"instances", {an_instance("first")}}, {"next_page_token", "more"}});
    });
    const auto table = on(server, {"list"});
    CHECK(table.out ==
          "NAME    DNS NAME                                   STATE    HEALTH   VERSION  STORAGE  AGE\n"
          "first   first-1a2b3c4d.toygres.svc.cluster.local   running  healthy  15       10GB     3h\n"
          "second  second-1a2b3c4d.toygres.svc.cluster.local  failed   healthy  15       10GB     3h\n"
          "\n"
          "2 instances found\n");
    CHECK(Json::parse(on(server, {"-o", "json", "list"}).out).at("instances").size() == 2);
    const auto yaml = on(server, {"list", "-o", "yaml", "--state", "running", "--prefix", "f"});
    CHECK(yaml.out.contains("postgres_version: \"15\""));
    CHECK(yaml.out.contains("storage_size_gb: 10\n"));
    CHECK(server.requests()[4].target == "/api/v1/instances?state=running&name_prefix=f&limit=500");
}

TEST_CASE("list: asks for filters, an order and fields, which become the columns") {
    FakeServer server([](const http::Request&) {
        return json({{"instances", {{{"name", "web-1"}, {"storage_size_gb", 10}}, {{"name", "web-22"}}}}});
    });
    const auto outcome = on(server, {"list", "--name", "web-*", "--tag", "team=web", "--tag", "spare", "--sort",
                                     "-name", "--fields", "name,storage_size_gb"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out ==
          "NAME    STORAGE SIZE GB\n"
          "web-1   10\n"
          "web-22  -\n"
          "\n"
          "2 instances found\n");
    CHECK(server.requests().at(0).target ==
          "/api/v1/instances?name=web-%2A&tag=team%3Dweb&tag=spare&sort=-name&fields=name%2Cstorage_size_gb&limit=500");
    CHECK(on(server, {"list", "--sort", "health"}).code == 2);
}

TEST_CASE("delete: several go in one call; what became of each is told, and one that is refused is a failure") {
    FakeServer server([](const http::Request& request) {
        if (request.method != "POST") return json(an_operation("succeeded"));
        auto first = accepted();
        first["name"] = "a";
        first["status"] = 202;
        return json({{"accepted", 1},
                     {"refused", 1},
                     {"items", {first, {{"name", "b"}, {"status", 404}, {"problem", {{"detail", "there is no b"}}}}}}},
                    207);
    });
    const auto outcome = on(server, {"delete", "a", "b", "--yes"});
    CHECK(outcome.code == 1);
    CHECK(outcome.out == "a is being deleted by operation op-1\n");
    CHECK(outcome.err == "b: there is no b\n");
    const auto call = server.requests().at(0);
    CHECK(call.target == "/api/v1/bulk/delete-instances");
    CHECK(Json::parse(call.body) == Json{{"names", {"a", "b"}}});
    CHECK(call.headers.has("Idempotency-Key"));
    const auto waited = on(server, {"delete", "a", "b", "--yes", "--wait"});
    CHECK(waited.code == 1);
    CHECK(waited.out.contains("Instance a is deleted\n"));
    CHECK(on(server, {"delete", "a", "b"}).code == 2);
    CHECK(
        on(server, {"delete", "a", "b"}, "n\n", true).err.contains("Delete the 2 instances a, b and all their data?"));
}

TEST_CASE("get: shows the sections of an instance") {
    FakeServer server([](const http::Request&) { return json(an_instance("mydb")); });
    const auto outcome = on(server, {"get", "mydb"});
    CHECK(outcome.code == 0);
    for (const auto* part : {"Instance: mydb\n", "Status\n", "Identity\n", "Configuration\n", "Network\n",
                             "Timestamps\n", "127.8.0.1:5432", "team=web", "30s", "(3h ago)"})
        CHECK(outcome.out.contains(part));
    CHECK_FALSE(outcome.out.contains("Placement"));
    CHECK(on(server, {"get", "my/db"}).code == 0);
    CHECK(server.requests().back().target == "/api/v1/instances/my%2Fdb");
}

TEST_CASE("get: shows the placement that was chosen") {
    FakeServer server([](const http::Request&) {
        auto instance = an_instance("mydb");
        instance["placement"] = {{"spread", "zone"},
                                 {"spread_required", true},
                                 {"resources", {{"cpu_request", "500m"}, {"cpu_limit", "2"}, {"memory_limit", "2Gi"}}},
                                 {"pod_annotations", {{"a", "b"}}},
                                 {"load_balancer_source_ranges", {"203.0.113.0/24", "2001:db8::/32"}}};
        return json(instance);
    });
    const auto outcome = on(server, {"get", "mydb"});
    CHECK(outcome.code == 0);
    for (const auto* part :
         {"Placement\n", "zone (required)", "500m, at most 2", "at most 2Gi", "a=b", "203.0.113.0/24, 2001:db8::/32"})
        CHECK(outcome.out.contains(part));
    CHECK_FALSE(outcome.out.contains("Priority Class"));
}

TEST_CASE("list: -o name prints names alone, -o wide more columns") {
    FakeServer server([](const http::Request&) {
        return json({{"instances", Json::array({an_instance("mydb"), an_instance("other")})}});
    });
    CHECK(on(server, {"list", "-o", "name"}).out == "mydb\nother\n");
    const auto wide = on(server, {"list", "-o", "wide"}).out;
    CHECK(wide.contains("K8S NAME"));
    CHECK(wide.contains("team=web"));
    CHECK_FALSE(on(server, {"list"}).out.contains("K8S NAME"));
}

TEST_CASE("watch: shows what changes, outlasts a server that is away for a while, ends with what does not pass") {
    std::atomic<int> looks = 0;
    FakeServer server([&](const http::Request&) {
        const int look = looks++;
        if (look == 2) return refusal(503, "database_unavailable", "away");
        if (look == 5) return refusal(404, "instance_not_found", "there is no instance mydb");
        return json(an_instance("mydb", look < 3 ? "creating" : "running"));
    });
    const auto outcome = on(server, {"get", "mydb", "--watch", "-o", "json"});
    CHECK(outcome.code == 3);
    CHECK(outcome.err.contains("trying on"));
    const auto first = outcome.out.find("\"creating\"");
    const auto second = outcome.out.find("\"running\"");
    CHECK(first < second);
    CHECK(second != std::string::npos);
    CHECK(looks == 6);
}

TEST_CASE("failover: consenting to a loss is confirmed") {
    FakeServer server([](const http::Request&) { return json({{"operation", an_operation("running")}}, 202); });
    const auto unasked = on(server, {"replication", "failover", "mydb", "--allow-data-loss"});
    CHECK(unasked.code == 2);
    CHECK(unasked.err.contains("needs --yes"));
    CHECK(on(server, {"replication", "failover", "mydb", "--allow-data-loss"}, "n\n", true).code == 1);
    CHECK(server.requests().empty());
    CHECK(on(server, {"replication", "failover", "mydb", "--allow-data-loss", "--yes"}).code == 0);
    CHECK(server.requests().size() == 1);
}
