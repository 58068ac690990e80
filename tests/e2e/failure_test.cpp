#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>
#include <sys/wait.h>

using namespace toygres;
using namespace toygres::test;

namespace {

std::vector<std::string> create_many(Stack& stack, const std::string& prefix, int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(stack.create(fmt::format("{}{}", prefix, i)));
    return out;
}

void delete_many(Stack& stack, const std::string& prefix, int count) {
    std::vector<std::string> operations;
    for (int i = 0; i < count; ++i) operations.push_back(stack.remove(fmt::format("{}{}", prefix, i)));
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
    CHECK(stack.objects().empty());
    CHECK(eventually([&] { return stack.volumes().empty(); }));
    CHECK(stack.broken_invariants().empty());
}

}  // namespace

TEST_CASE("PostgreSQL of the CMS restarted in the middle of ten creates: all ten finish") {
    auto& stack = shared_stack();
    const auto operations = create_many(stack, "ten", 10);
    REQUIRE(eventually([&] {
        return std::stoi(stack.value("SELECT count(*) FROM orchestration_events WHERE orchestration LIKE 'create-ten%' "
                                     "AND kind = 'activity_completed'")) >= 10;
    }));
    stack.restart_cms("immediate");
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
    CHECK(stack.broken_invariants().empty());
    delete_many(stack, "ten", 10);
}

TEST_CASE("fifty creates at once finish, and fifty deletes") {
    auto& stack = shared_stack();
    const auto operations = create_many(stack, "many", 50);
    for (const auto& id : operations) CHECK(stack.wait_operation(id, 400).at("state") == "succeeded");
    CHECK(stack.broken_invariants().empty());
    delete_many(stack, "many", 50);
}

TEST_CASE("two servers on one CMS share the work; when one is killed the other goes on within 10 s") {
    auto& stack = shared_stack();
    const auto extra = stack.start_extra_server();
    const auto owners = [&] {
        return stack.value("SELECT count(DISTINCT owner) FROM shards WHERE lease_until > now()");
    };
    REQUIRE(eventually([&] { return owners() == "2"; }));
    CHECK(std::stoi(stack.value("SELECT max(n) FROM (SELECT count(*) n FROM shards GROUP BY owner) s")) == 32);
    const auto operations = create_many(stack, "pair", 6);
    const auto began = std::chrono::steady_clock::now();
    ::kill(extra.pid, SIGKILL);
    ::waitpid(extra.pid, nullptr, 0);
    REQUIRE(eventually(
        [&] { return owners() == "1" && stack.value("SELECT count(*) FROM shards WHERE owner IS NULL") == "0"; }));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    WARN("taken over after " << took.count() << " ms");
    CHECK(took < std::chrono::seconds(10));
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
    delete_many(stack, "pair", 6);
}

TEST_CASE(
    "a server stopped for longer than its lease (SIGSTOP, SIGCONT): its commits are refused, the work is done once") {
    auto& stack = shared_stack();
    const auto extra = stack.start_extra_server();
    REQUIRE(eventually([&] { return stack.value("SELECT count(DISTINCT owner) FROM shards") == "2"; }));
    const auto operations = create_many(stack, "zombie", 6);
    ::kill(extra.pid, SIGSTOP);
    REQUIRE(eventually([&] { return stack.value("SELECT count(DISTINCT owner) FROM shards") == "1"; }));
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
    const auto epochs = stack.value("SELECT sum(epoch) FROM shards");
    ::kill(extra.pid, SIGCONT);
    // It comes back to the table only by claims, which raise epochs; what it had computed is void.
    REQUIRE(eventually([&] { return stack.value("SELECT count(DISTINCT owner) FROM shards") == "2"; }));
    CHECK(std::stoi(stack.value("SELECT sum(epoch) FROM shards")) > std::stoi(epochs));
    CHECK(stack.broken_invariants().empty());
    ::kill(extra.pid, SIGTERM);
    int status = 0;
    ::waitpid(extra.pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    delete_many(stack, "zombie", 6);
}

TEST_CASE("SIGTERM drains: shards handed over, nothing lost, exit 0 within 10 s") {
    auto& stack = shared_stack();
    const auto extra = stack.start_extra_server();
    REQUIRE(eventually([&] { return stack.value("SELECT count(DISTINCT owner) FROM shards") == "2"; }));
    const auto operations = create_many(stack, "drain", 6);
    const auto began = std::chrono::steady_clock::now();
    ::kill(extra.pid, SIGTERM);
    int status = 0;
    ::waitpid(extra.pid, &status, 0);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
    delete_many(stack, "drain", 6);
}
