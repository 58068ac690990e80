#include "base/crypto.hpp"
#include "world.hpp"

#include <fmt/format.h>

#include <thread>

using namespace toygres;
using namespace toygres::test;

namespace {

// As much of a Kubernetes API as the routes ask: the Secrets and the log of one instance.
struct FakeCluster {
    explicit FakeCluster(asio::io_context& io) : server(io, {}, answer) { server.start(); }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", server.port()); }

    static asio::awaitable<void> answer(http::Exchange& exchange) {
        const auto& target = exchange.request().target;
        const auto secret = [](const std::string& key, const std::string& value) {
            return Json{{"apiVersion", "v1"},
                        {"kind", "Secret"},
                        {"metadata", {{"name", "s"}}},
                        {"data", {{key, base64_encode(value)}}}}
                .dump();
        };
        http::Response out{404, {{"Content-Type", "application/json"}}, R"({"kind":"Status","message":"not found"})"};
        if (target.contains("-superuser")) out = {200, out.headers, secret("password", "p@ss/word")};
        if (target.contains("-tls")) out = {200, out.headers, secret("ca.crt", "PEM of the CA")};
        if (target.contains("/log")) out = {200, {}, "ready to accept connections\n" + target + "\n"};
        co_await exchange.respond(std::move(out));
    }
    http::Server server;
};

// The cluster answers from a thread of its own, so that the API's loop is free to wait for it.
struct Cluster {
    asio::io_context io;
    FakeCluster fake{io};
    std::thread thread{[this] { io.run(); }};
    ~Cluster() {
        io.stop();
        thread.join();
    }
};

}  // namespace

TEST_CASE("connection: gives the password from the Secret, and the audit trail keeps that it did") {
    Cluster cluster;
    World world(cluster.fake.url());
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    CHECK(code_of(world.call("GET", "/api/v1/instances/mydb/connection")) == "instance_not_ready");
    world.sql("UPDATE instances SET external_ip = '127.8.0.1', dns_name = 'mydb.toygres.svc.cluster.local'");

    const auto response = world.call("GET", "/api/v1/instances/mydb/connection", {}, {{"X-Request-Id", "req-9"}});
    REQUIRE(response.status == 200);
    CHECK(response.headers.get("Cache-Control") == "no-store");
    const auto body = json_of(response);
    CHECK(body.at("host") == "127.8.0.1");
    CHECK(body.at("port") == 5432);
    CHECK(body.at("password") == "p@ss/word");
    CHECK(body.at("ca_certificate") == "PEM of the CA");
    CHECK(body.at("sslmode") == "verify-full");
    const std::string where = "@mydb.toygres.svc.cluster.local:5432/postgres?hostaddr=127.8.0.1&sslmode=verify-full";
    CHECK(body.at("url") == "postgresql://postgres" + where);
    CHECK(body.at("url_with_password") == "postgresql://postgres:p%40ss%2Fword" + where);

    const auto shown = json_of(world.call("GET", "/api/v1/instances/mydb"));
    CHECK(shown.at("url") == body.at("url"));
    // A load balancer's own name is what its clients verify.
    world.sql("UPDATE instances SET external_ip = 'db.example.net'");
    CHECK(json_of(world.call("GET", "/api/v1/instances/mydb")).at("url") ==
          "postgresql://postgres@db.example.net:5432/postgres?sslmode=verify-full");

    const auto events =
        world.sql("SELECT actor, request_id FROM instance_events WHERE event_type = 'credentials_read'");
    REQUIRE(events.size() == 1);
    CHECK(events[0].text(0) == "writer");
    CHECK(events[0].text(1) == "req-9");
}

TEST_CASE("logs: come as text from the pod of the member asked for") {
    Cluster cluster;
    World world(cluster.fake.url());
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto response = world.call("GET", "/api/v1/instances/mydb/logs?tail=5&member=2&follow=true");
    CHECK(response.status == 200);
    CHECK(response.headers.get("Content-Type").starts_with("text/plain"));
    CHECK(response.body.starts_with("ready to accept connections\n"));
    CHECK(response.body.contains("-2-0/log?"));
    CHECK(response.body.contains("tailLines=5"));
    CHECK(world.call("GET", "/api/v1/instances/mydb/logs?member=10").status == 400);
    CHECK(world.call("GET", "/api/v1/instances/nothing/logs").status == 404);
}

TEST_CASE("cluster away: what needs it is a clear problem, and creating is accepted all the same") {
    World world;
    CHECK(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    world.sql("UPDATE instances SET external_ip = '127.8.0.1'");
    const auto connection = world.call("GET", "/api/v1/instances/mydb/connection");
    CHECK(connection.status == 503);
    CHECK(code_of(connection) == "kubernetes_unavailable");
    CHECK(code_of(world.call("GET", "/api/v1/instances/mydb/logs")) == "kubernetes_unavailable");
    CHECK(world.sql("SELECT 1 FROM instance_events WHERE event_type = 'credentials_read'").empty());
}
