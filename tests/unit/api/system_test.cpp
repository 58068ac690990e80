#include "api/system_checks.hpp"
#include "base/log.hpp"
#include "cms/migrator.hpp"
#include "world.hpp"

#include <algorithm>
#include <thread>

using namespace toygres;
using namespace toygres::test;

namespace {

// As much of a cluster as the checks ask; what is in `refused` may not be done. Answers on a thread of its own.
struct CheckedCluster {
    CheckedCluster(std::vector<std::string> not_allowed, Json classes, std::string minor_version = "30")
        : refused(std::move(not_allowed)), storage_classes(std::move(classes)), minor(std::move(minor_version)) {
        server.start();
        thread = std::thread([this] { io.run(); });
    }
    ~CheckedCluster() {
        io.stop();
        thread.join();
    }

    asio::awaitable<void> handle(http::Exchange& exchange) const {
        http::Response response{200, {{"Content-Type", "application/json"}}, answer(exchange.request()).dump()};
        co_await exchange.respond(std::move(response));
    }

    Json answer(const http::Request& request) const {
        if (request.target == "/version")
            return {{"major", "1"}, {"minor", minor}, {"gitVersion", "v1." + minor + ".3"}};
        if (!request.target.contains("selfsubjectaccessreviews"))
            return {{"items", storage_classes}, {"metadata", {{"resourceVersion", "1"}}}};
        const auto asked = Json::parse(request.body).at("spec").at("resourceAttributes");
        const auto what = asked.at("verb").get<std::string>() + " " + asked.at("resource").get<std::string>();
        return {{"status", {{"allowed", std::ranges::find(refused, what) == refused.end()}}}};
    }

    std::vector<std::string> refused;
    Json storage_classes;
    std::string minor;
    asio::io_context io{1};
    http::Server server{io, {}, [this](http::Exchange& exchange) { return handle(exchange); }};
    std::thread thread;
};

Json a_class(const std::string& name, bool is_default) {
    return {{"metadata",
             {{"name", name},
              {"annotations", {{"storageclass.kubernetes.io/is-default-class", is_default ? "true" : "false"}}}}}};
}

std::string url_of(const CheckedCluster& cluster) { return fmt::format("http://127.0.0.1:{}", cluster.server.port()); }

const api::Check& named(const std::vector<api::Check>& checks, const std::string& name) {
    const auto it = std::ranges::find(checks, name, &api::Check::name);
    REQUIRE(it != checks.end());
    return *it;
}

std::vector<api::Check> checks_of(World& world) {
    const auto response = world.call("GET", "/api/v1/system/checks");
    REQUIRE(response.status == 200);
    return decode<std::vector<api::Check>>(json_of(response).at("checks"));
}

cms::DatabaseFacts sound_facts() {
    return {.version = "17.2",
            .version_number = 170002,
            .schema_version = cms::latest_migration(),
            .fsync = true,
            .full_page_writes = true,
            .synchronous_commit = "on",
            .in_recovery = false,
            .size_bytes = 10 << 20,
            .connections = 5,
            .connections_max = 100,
            .local_data_directory = {},
            .now = now()};
}

api::CheckStatus judged(const cms::DatabaseFacts& facts, const std::string& name,
                        std::optional<std::int64_t> disk_free_bytes = {}) {
    const auto checks = api::judge_database(facts, facts.now, disk_free_bytes);
    const auto& check = named(checks, name);
    CHECK(check.advice.has_value() == (check.status != api::CheckStatus::ok));
    return check.status;
}

}  // namespace

TEST_CASE("checks: all is well with a sound database and a cluster that grants everything") {
    CheckedCluster cluster({}, Json::array({a_class("slow", false), a_class("fast", true)}));
    World world(url_of(cluster),
                {{"list", "apps", "statefulsets", "", "toygres"}, {"get", "", "pods", "log", "toygres"}});
    const auto checks = checks_of(world);
    for (const auto& check : checks) {
        INFO(check.name << ": " << check.message);
        CHECK(check.status == api::CheckStatus::ok);
    }
    CHECK(checks.size() == 12);
    CHECK(named(checks, "kubernetes.storage_class").message.contains("fast"));
    CHECK(named(checks, "database.space").message.contains("MB"));
}

TEST_CASE("checks: a permission that is missing, an old cluster and no default storage class are told") {
    CheckedCluster cluster({"get pods"}, Json::array({a_class("slow", false)}), "19+");
    World world(url_of(cluster),
                {{"list", "apps", "statefulsets", "", "toygres"}, {"get", "", "pods", "log", "toygres"}});
    const auto checks = checks_of(world);
    const auto& permissions = named(checks, "kubernetes.permissions");
    CHECK(permissions.status == api::CheckStatus::failed);
    CHECK(permissions.message == "in toygres it may not: get pods/log");
    CHECK(permissions.advice->contains("toygres manifests"));
    CHECK(named(checks, "kubernetes.version").status == api::CheckStatus::failed);
    CHECK(named(checks, "kubernetes.storage_class").status == api::CheckStatus::warning);
}

TEST_CASE("checks: a cluster that is away fails the first of its checks, and its others are left out") {
    World world;
    const auto checks = checks_of(world);
    CHECK(named(checks, "kubernetes.reachable").status == api::CheckStatus::failed);
    CHECK(named(checks, "database.reachable").status == api::CheckStatus::ok);
    CHECK(std::ranges::none_of(checks, [](const auto& c) { return c.name == "kubernetes.permissions"; }));
}

TEST_CASE("checks: a database that can lose what it acknowledged fails") {
    auto facts = sound_facts();
    CHECK(judged(facts, "database.durability") == api::CheckStatus::ok);
    facts.synchronous_commit = "off";
    CHECK(judged(facts, "database.durability") == api::CheckStatus::failed);
    facts = sound_facts();
    facts.fsync = false;
    CHECK(judged(facts, "database.durability") == api::CheckStatus::failed);
}

TEST_CASE("checks: version, schema, sessions, space and clock of the database are judged each by itself") {
    using enum api::CheckStatus;
    auto facts = sound_facts();
    facts.version_number = 120010;
    CHECK(judged(facts, "database.version") == failed);
    facts = sound_facts();
    facts.in_recovery = true;
    CHECK(judged(facts, "database.version") == failed);
    facts = sound_facts();
    facts.schema_version -= 1;
    CHECK(judged(facts, "database.schema") == failed);
    facts.schema_version += 2;
    CHECK(judged(facts, "database.schema") == warning);
    facts = sound_facts();
    facts.connections = 95;
    CHECK(judged(facts, "database.connections") == warning);
    CHECK(judged(sound_facts(), "database.space", std::int64_t(1) << 40) == ok);
    CHECK(judged(sound_facts(), "database.space", 1 << 20) == warning);
    facts = sound_facts();
    const auto skewed = api::judge_database(facts, facts.now - 5s, {});
    CHECK(named(skewed, "database.clock").status == warning);
    CHECK(named(skewed, "database.clock").message == "the database's clock is 5.0s ahead of the server's");
}

TEST_CASE("log level: is shown, changed by writers alone, and a wrong one is refused") {
    World world;
    const auto before = json_of(world.call("GET", "/api/v1/system/log-level")).at("level").get<std::string>();
    const auto set = [&](const std::string& level) {
        return world.call("PUT", "/api/v1/system/log-level", {{"level", level}});
    };
    CHECK(json_of(set("error")).at("level") == "error");
    CHECK(json_of(world.call("GET", "/api/v1/system/log-level")).at("level") == "error");
    const auto wrong = set("loud");
    CHECK(wrong.status == 400);
    CHECK(fields_of(wrong) == std::vector<std::string>{"level"});
    CHECK(json_of(world.call("GET", "/api/v1/system/log-level")).at("level") == "error");
    auto as_reader = world.request("PUT", "/api/v1/system/log-level", {{"level", "debug"}});
    as_reader.headers.set("Authorization", "Bearer " + world.reader);
    CHECK(world.send(as_reader).status == 403);
    CHECK(set(before).status == 200);
}
