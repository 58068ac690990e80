#include "base/file.hpp"
#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <thread>

using namespace toygres;
using namespace toygres::test;

TEST_CASE("lifecycle: create, connect, look, delete, by the command line") {
    auto& stack = shared_stack();
    const auto made = stack.cli("create life --no-replication --wait");
    INFO(made.output);
    REQUIRE(made.code == 0);
    CHECK(stack.can_connect("life"));
    CHECK(stack.cli("list").output.contains("life"));
    CHECK(parse_json(stack.cli("get life -o json").output).value().at("state") == "running");
    CHECK(stack.cli("events life").output.contains("creating -> running"));
    CHECK(stack.cli("logs life").output.contains("ready to accept connections"));
    CHECK(stack.cli("orchestrations list").output.contains("health-life-"));
    CHECK(stack.cli("create life").code == 1);
    CHECK(stack.cli("get absent").code == 3);
    CHECK(stack.cli("create Bad_Name").code != 0);
    CHECK(stack.cli("nonsense").code == 2);
    CHECK(stack.cli("delete life --yes --wait").code == 0);
    CHECK(stack.cli("get life").code == 3);
    CHECK(stack.objects().empty());
}

TEST_CASE("lifecycle: a monitor is asked for its state, and to look at once") {
    auto& stack = shared_stack();
    REQUIRE(stack.cli("create asked --no-replication --check-interval 1h --wait").code == 0);
    const auto monitor = stack.value("SELECT id FROM orchestrations WHERE id LIKE 'health-asked-%'");
    const auto state = [&] {
        const auto answer = stack.cli("orchestrations query " + monitor + " state");
        INFO(answer.output);
        REQUIRE(answer.code == 0);
        return parse_json(answer.output).value();
    };
    REQUIRE(eventually([&] { return state().at("status") == "healthy"; }));
    const auto before = state().at("next_check_at").get<std::string>();
    CHECK(stack.cli("orchestrations update " + monitor + " check --request-id once").code == 0);
    CHECK(eventually([&] { return state().at("next_check_at").get<std::string>() > before; }));
    const auto refused = stack.cli("orchestrations query " + monitor + " nothing");
    CHECK(refused.code == 3);
    CHECK(refused.output.contains("it answers to: state"));
    CHECK(stack.cli("delete asked --yes --wait").code == 0);
}

TEST_CASE("lifecycle: two creates of one name at once, one wins, the other is 409 with the reason") {
    auto& stack = shared_stack();
    http::Response a;
    http::Response b;
    std::thread other([&] { a = stack.call("POST", "/api/v1/instances", {{"name", "same"}, {"replication", false}}); });
    b = stack.call("POST", "/api/v1/instances", {{"name", "same"}, {"replication", false}});
    other.join();
    CHECK(std::min(a.status, b.status) == 202);
    CHECK(std::max(a.status, b.status) == 409);
    const auto& lost = a.status == 409 ? a : b;
    CHECK(parse_json(lost.body).value().at("code") == "name_taken");
    const auto& won = a.status == 202 ? a : b;
    CHECK(stack.wait_operation(operation_of(won)).at("state") == "succeeded");
    CHECK(stack.wait_operation(stack.remove("same")).at("state") == "succeeded");
}

TEST_CASE("lifecycle: delete during create ends with nothing left and a deleted row") {
    auto& stack = shared_stack();
    for (int completed = 0; completed < 4; ++completed) {
        const auto name = fmt::format("brief{}", completed);
        INFO(name);
        const auto creation = stack.create(name);
        const auto k8s_name = stack.value(fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}'", name));
        REQUIRE(eventually([&] {
            return std::stoi(stack.value(
                       fmt::format("SELECT count(*) FROM orchestration_events WHERE orchestration = 'create-{}' "
                                   "AND kind = 'activity_completed'",
                                   k8s_name))) >= completed;
        }));
        CHECK(stack.wait_operation(stack.remove(name)).at("state") == "succeeded");
        const auto ended = stack.wait_operation(creation).at("state").get<std::string>();
        CHECK((ended == "cancelled" || ended == "succeeded"));
        CHECK(stack.value(fmt::format("SELECT state FROM instances WHERE k8s_name = '{}'", k8s_name)) == "deleted");
        CHECK(stack.objects().empty());
        CHECK(eventually([&] { return stack.volumes().empty(); }));
        CHECK(stack.broken_invariants().empty());
    }
}

TEST_CASE("lifecycle: a repeated call with its Idempotency-Key changes nothing") {
    auto& stack = shared_stack();
    const http::Headers key{{"Idempotency-Key", "k-1"}};
    const auto first = stack.call("POST", "/api/v1/instances", {{"name", "idem"}, {"replication", false}}, key);
    const auto again = stack.call("POST", "/api/v1/instances", {{"name", "idem"}, {"replication", false}}, key);
    CHECK(first.status == 202);
    CHECK(again.status == 202);
    const auto id = operation_of(first);
    CHECK(operation_of(again) == id);
    CHECK(stack.call("POST", "/api/v1/instances", {{"name", "other"}, {"replication", false}}, key).status == 409);
    CHECK(stack.value("SELECT count(*) FROM instances WHERE user_name IN ('idem', 'other')") == "1");
    CHECK(stack.wait_operation(id).at("state") == "succeeded");
    const http::Headers delete_key{{"Idempotency-Key", "k-2"}};
    const auto gone = stack.call("DELETE", "/api/v1/instances/idem", nullptr, delete_key);
    const auto operation = operation_of(gone);
    CHECK(stack.wait_operation(operation).at("state") == "succeeded");
    const auto gone_again = stack.call("DELETE", "/api/v1/instances/idem", nullptr, delete_key);
    CHECK(gone_again.status == 202);
    CHECK(operation_of(gone_again) == operation);
}

TEST_CASE("secrets: no password in the CMS, in a log, in ps, in a pod's spec or environment") {
    auto& stack = shared_stack();
    const std::string password = "Sw0rdfish-unique-7431";
    const auto operation = stack.create("secretive", {{"password", password}});
    const auto look = [&](const std::string& where, const std::string& text) {
        INFO(where);
        CHECK_FALSE(text.contains(password));
    };
    const auto everywhere = [&] {
        look("pg_dump", shell(fmt::format("pg_dump -h {}/cms -U toygres postgres", stack.directory)).output);
        look("ps", shell("ps axeww").output);
        for (const auto* log : {"server.log", "cluster.log"})
            look(log, read_file(stack.directory + "/" + log).value_or(""));
    };
    everywhere();
    REQUIRE(stack.wait_operation(operation).at("state") == "succeeded");
    everywhere();
    const auto kubectl = fmt::format("KUBECONFIG={} kubectl get ", stack.kubeconfig());
    if (shell("command -v kubectl").code == 0) {
        const auto pods = shell(kubectl + "pods,statefulsets,configmaps -o yaml");
        REQUIRE(pods.output.contains("secretive"));
        look("pods, statefulsets, configmaps", pods.output);
    }
    look("postgres' log", stack.cli("logs secretive").output);
    look("history", stack.cli("orchestrations list -o json").output);
    // It is the password all the same.
    CHECK(stack.cli("connect secretive --print").code == 0);
    CHECK(stack.can_connect("secretive"));
    CHECK(stack.wait_operation(stack.remove("secretive")).at("state") == "succeeded");
}

TEST_CASE("monitor: an instance that stops answering becomes unhealthy after three failures, and healthy again") {
    auto& stack = shared_stack();
    REQUIRE(stack.wait_operation(stack.create("watched", {{"check_interval", "1s"}})).at("state") == "succeeded");
    const auto health = [&] {
        return stack.value("SELECT health_status FROM instances WHERE user_name = 'watched' AND state = 'running'");
    };
    CHECK(health() == "healthy");
    const auto k8s_name =
        stack.value("SELECT k8s_name FROM instances WHERE user_name = 'watched' AND state = 'running'");
    const auto kubectl = fmt::format("KUBECONFIG={} kubectl ", stack.kubeconfig());
    if (shell("command -v kubectl").code != 0) {
        WARN("no kubectl: skipped");
        return;
    }
    REQUIRE(shell(fmt::format("{} scale statefulset {}-1 --replicas=0", kubectl, k8s_name)).code == 0);
    REQUIRE(eventually([&] { return health() == "unhealthy"; }));
    REQUIRE(shell(fmt::format("{} scale statefulset {}-1 --replicas=1", kubectl, k8s_name)).code == 0);
    REQUIRE(eventually([&] { return health() == "healthy"; }));
    CHECK(stack.value(fmt::format(
              "SELECT count(*) FROM instance_events e JOIN instances i ON i.id = e.instance_id WHERE i.k8s_name = '{}' "
              "AND event_type = 'health_change'",
              k8s_name)) == "3");
    CHECK(stack.wait_operation(stack.remove("watched")).at("state") == "succeeded");
}

TEST_CASE("monitor: the supervisor starts one that is missing") {
    auto& stack = shared_stack();
    REQUIRE(stack.wait_operation(stack.create("orphan")).at("state") == "succeeded");
    const auto monitor =
        "health-" + stack.value("SELECT k8s_name FROM instances WHERE user_name = 'orphan' AND state = 'running'");
    CHECK(stack.cli("orchestrations cancel " + monitor).code == 0);
    const auto open = [&] {
        return stack.value(
            fmt::format("SELECT count(*) FROM orchestrations WHERE id = '{}' AND finished_at IS NULL", monitor));
    };
    REQUIRE(eventually([&] { return open() == "0"; }));
    REQUIRE(eventually([&] { return open() == "1"; }));
    CHECK(stack.wait_operation(stack.remove("orphan")).at("state") == "succeeded");
}
