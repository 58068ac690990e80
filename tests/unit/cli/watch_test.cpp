#include "base/file.hpp"
#include "cli/event_reader.hpp"
#include "harness.hpp"

#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

using namespace toygres;
using namespace toygres::test;

namespace {

Json an_event(const std::string& what, const std::string& change) {
    return {
        {"at", "2026-11-21T05:04:57.123Z"}, {"what", what}, {"change", change}, {"actor", "me"}, {"message", "why"}};
}

std::string frame(int id, const Json& event) {
    return fmt::format("id: {}-x\nevent: {}\ndata: {}\n\n", id, event.at("what").get<std::string>(), event.dump());
}

}  // namespace

TEST_CASE("event reader: takes events apart wherever the pieces end") {
    const std::string stream =
        ": hello\n\nid: 1\nevent: a\ndata: {\ndata: }\n\nid: 2\r\ndata:x\r\n\r\nevent: unfinished";
    for (std::size_t size = 1; size < stream.size(); size += 3) {
        std::vector<std::string> seen;
        cli::EventReader reader([&](const cli::ServerEvent& e) { seen.push_back(e.id + "|" + e.type + "|" + e.data); });
        for (std::size_t at = 0; at < stream.size(); at += size) reader.feed(stream.substr(at, size));
        CHECK(seen == std::vector<std::string>{"1|a|{\n}", "2||x"});
        CHECK(reader.last_id() == "2");
    }
}

TEST_CASE("events: prints a line each, and follows over a lost connection to the end") {
    int streams = 0;
    FakeServer server([&](const http::Request& request) {
        if (!request.target.contains("follow"))
            return json({{"instance", "mydb"}, {"events", {an_event("state_change", "creating -> running")}}});
        if (streams++ == 0) return http::Response{200, {}, frame(7, an_event("state_change", "creating -> running"))};
        CHECK(request.headers.get("Last-Event-ID") == "7-x");
        return http::Response{
            200, {}, frame(8, an_event("state_change", "deleting -> deleted")) + "event: end\ndata: {}\n\n"};
    });
    const std::vector<std::string> where{"--api-url", server.url(), "--token", "t"};
    const auto with = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), where.begin(), where.end());
        return run_command(arguments);
    };
    CHECK(with({"events", "mydb"}).out ==
          "2026-11-21 05:04:57  state_change          creating -> running     why  [me]\n");
    const auto followed = with({"events", "mydb", "-f"});
    CHECK(followed.code == 0);
    CHECK(followed.out.contains("creating -> running"));
    CHECK(followed.out.contains("deleting -> deleted"));
    CHECK(streams == 2);
}

TEST_CASE("logs: come out as they are, and a missing pod is exit code 3") {
    FakeServer server([](const http::Request& request) {
        return request.target.contains("mydb") ? http::Response{200, {}, "line 1\nline 2\n"}
                                               : refusal(404, "pod_not_found", "no pod");
    });
    const auto outcome = run_command({"logs", "mydb", "-n", "5", "--api-url", server.url(), "--token", "t"});
    CHECK(outcome.out == "line 1\nline 2\n");
    CHECK(server.requests().back().target == "/api/v1/instances/mydb/logs?tail=5&member=1");
    CHECK(run_command({"logs", "other", "--api-url", server.url(), "--token", "t"}).code == 3);
}

TEST_CASE("orchestrations: ids with slashes reach the server whole") {
    FakeServer server([](const http::Request& request) {
        if (request.target.ends_with("/history"))
            return json(
                {{"id", "a/1/b"}, {"execution", 2}, {"events", {{{"event", 1}, {"kind", "started"}, {"data", 7}}}}});
        if (request.target == "/api/v1/orchestrations") return json({{"id", "a/1/c"}, {"started", true}}, 201);
        if (request.method == "POST") return json({{"id", "a/1/b"}, {"output", {{"sum", 3}}}}, 202);
        return json({{"id", "a/1/b"},
                     {"name", "child"},
                     {"execution", 2},
                     {"status", "running"},
                     {"created_at", "2026-11-21T05:04:57.123Z"},
                     {"updated_at", "2026-11-21T05:04:57.123Z"}});
    });
    const auto with = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--api-url", server.url(), "--token", "t"});
        return run_command(arguments);
    };
    const auto shown = with({"orchestrations", "show", "a/1/b", "--history"});
    CHECK(shown.out.contains("Execution:  #2"));
    CHECK(shown.out.contains("started"));
    CHECK(server.requests().back().target == "/api/v1/orchestrations/a%2F1%2Fb/history");
    CHECK(with({"orchestrations", "signal", "a/1/b", "go", "--payload", "[1]"}).code == 0);
    CHECK(Json::parse(server.requests().back().body) == Json{{"name", "go"}, {"payload", {1}}});
    CHECK(with({"orchestrations", "signal", "a/1/b", "go", "--payload", "{"}).code == 2);
    CHECK(with({"orchestrations", "query", "a/1/b", "total", "--input", "[1]"}).out == "{\n  \"sum\": 3\n}\n");
    CHECK(server.requests().back().target == "/api/v1/orchestrations/a%2F1%2Fb/query");
    CHECK(Json::parse(server.requests().back().body) == Json{{"name", "total"}, {"input", {1}}});
    CHECK(with({"orchestrations", "update", "a/1/b", "add", "--request-id", "r"}).code == 0);
    CHECK(Json::parse(server.requests().back().body) == Json{{"name", "add"}, {"request_id", "r"}});
    CHECK(with({"orchestrations", "update", "a/1/b", "add", "--input", "{"}).code == 2);
    CHECK(with({"orchestrations", "cancel", "a/1/b", "--reason", "enough"}).code == 0);
    CHECK(server.requests().back().target == "/api/v1/orchestrations/a%2F1%2Fb/cancel");
    const auto asked = server.requests().size();
    CHECK(with({"orchestrations", "terminate", "a/1/b"}).err.contains("--yes"));
    CHECK(server.requests().size() == asked);
    CHECK(with({"orchestrations", "terminate", "a/1/b", "--yes"}).code == 0);
    CHECK(server.requests().back().target == "/api/v1/orchestrations/a%2F1%2Fb/terminate");
    for (const auto* order : {"pause", "resume", "retry"}) {
        CHECK(with({"orchestrations", order, "a/1/b"}).code == 0);
        CHECK(server.requests().back().target == std::string("/api/v1/orchestrations/a%2F1%2Fb/") + order);
    }
    CHECK(with({"orchestrations", "reset", "a/1/b", "--event", "7"}).code == 0);
    CHECK(Json::parse(server.requests().back().body) == Json{{"event", 7}});
    CHECK(with({"orchestrations", "reset", "a/1/b"}).code == 2);
    CHECK(with({"orchestrations", "signal", "a/1/b", "go", "--start", "child", "--input", "[1]"}).code == 0);
    CHECK(Json::parse(server.requests().back().body).at("start") ==
          Json{{"name", "child"}, {"input", {1}}, {"replace_ended", false}});
    CHECK(with({"orchestrations", "signal", "a/1/b", "go", "--input", "[1]"}).code == 2);
    CHECK(with({"orchestrations", "start", "child", "--id", "a/1/c", "--input", "[1]", "--on-conflict", "use_existing",
                "--tag", "a=b", "--request-id", "r"})
              .out == "a/1/c starts\n");
    CHECK(server.requests().back().target == "/api/v1/orchestrations");
    CHECK(Json::parse(server.requests().back().body) == Json{{"id", "a/1/c"},
                                                             {"type", "child"},
                                                             {"input", {1}},
                                                             {"on_conflict", "use_existing"},
                                                             {"tags", {{"a", "b"}}},
                                                             {"request_id", "r"}});
    CHECK(with({"orchestrations", "start", "child", "--id", "c", "--tag", "=b"}).code == 2);
    CHECK(with({"orchestrations", "start", "child", "--id", "c", "--on-conflict", "win"}).code == 2);
    CHECK(with({"orchestrations", "start", "child"}).code == 2);
}

TEST_CASE("connect: becomes psql with the password in its environment and the CA at hand") {
    FakeServer server([](const http::Request&) {
        return json({{"url", "postgresql://postgres@127.8.0.1:5432/postgres?sslmode=verify-full"},
                     {"password", "p@ss"},
                     {"ca_certificate", "PEM of the CA"}});
    });
    Directory directory;
    value_or_raise(write_file_atomically(
        directory.path + "/psql",
        fmt::format(
            "#!/bin/sh\n{{ for a in \"$@\"; do echo \"$a\"; done; echo \"$PGPASSWORD\"; cat \"$PGSSLROOTCERT\"; }} "
            "> {}/seen\nexit 42\n",
            directory.path),
        0755));
    Environment environment({{"PATH", directory.path + ":" + std::getenv("PATH")}});
    const pid_t child = ::fork();
    if (child == 0) {
        run_command({"connect", "mydb", "--api-url", server.url(), "--token", "t", "--", "-c", "SELECT 1"});
        ::_exit(99);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 42);
    CHECK(read_file(directory.path + "/seen") ==
          "postgresql://postgres@127.8.0.1:5432/postgres?sslmode=verify-full\n-c\nSELECT 1\np@ss\nPEM of the CA");

    const auto printed = run_command({"connect", "mydb", "--print", "--api-url", server.url(), "--token", "t"});
    CHECK(printed.out == "postgresql://postgres@127.8.0.1:5432/postgres?sslmode=verify-full\n");
    std::vector<std::string> targets;
    for (const auto& request : server.requests()) targets.push_back(request.target);
    CHECK(targets == std::vector<std::string>{"/api/v1/instances/mydb/connection", "/api/v1/instances/mydb"});
}
