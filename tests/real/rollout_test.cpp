// The servers' own pods: one goes, others are there.
#include "e2e/scenario.hpp"
#include "real/installed_stack.hpp"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

// A client of the API that never stops asking, each time over a connection of its own, half as often as
// its token may (--rate-limit): the case itself calls with the same one.
class Caller {
  public:
    explicit Caller(const Stack& stack)
        : thread_([this, &stack](const std::stop_token& stop) {
              for (auto next = Clock::now(); !stop.stop_requested(); next += 10ms) {
                  std::this_thread::sleep_until(next);
                  const auto answer = stack.call("GET", "/api/v1/instances");
                  ++asked_;
                  const std::lock_guard lock(mutex_);
                  if (answer.status != 200) failures_.push_back(fmt::format("{}: {}", answer.status, answer.body));
              }
          }) {}
    int asked() const { return asked_; }
    std::vector<std::string> failures() {
        const std::lock_guard lock(mutex_);
        return failures_;
    }

  private:
    using Clock = std::chrono::steady_clock;
    std::atomic<int> asked_ = 0;
    std::mutex mutex_;
    std::vector<std::string> failures_;
    std::jthread thread_;
};

std::string shards_by_server(const Stack& stack) {
    return stack.value(
        "SELECT string_agg(n::text, ' ' ORDER BY n) FROM (SELECT count(*) AS n FROM shards GROUP BY owner) AS counts");
}

}  // namespace

TEST_CASE("rollout: two servers share the work, one token and one key", "[real]") {
    auto& stack = installed_stack();
    CHECK(stack.servers().size() == 2);
    CHECK(eventually([&] { return shards_by_server(stack) == "32 32"; }));
    for (const auto& server : stack.servers()) {
        INFO(server);
        const auto address = stack.object("Pod", server).at("status").at("podIP").get<std::string>();
        const auto answer = shell(fmt::format("curl -sf -H 'Authorization: Bearer {}' http://{}:8080/api/v1/instances",
                                              stack.token(), address));
        CHECK(answer.code == 0);
    }
    // With what the pod has, an operator makes tokens.
    const auto name = "made-in-the-pod-" + std::to_string(::getpid());
    const auto made = stack.kubectl(fmt::format("exec deployment/toygres -- toygres token create {}", name));
    CHECK(made.contains("tgr_"));
    stack.kubectl(fmt::format("exec deployment/toygres -- toygres token revoke {}", name));
}

TEST_CASE("rollout: a rolling restart while an instance is made: no call fails, the operation goes on", "[real]") {
    auto& stack = installed_stack();
    const auto before = stack.servers();
    const auto operation = stack.create("rolled", {{"replication", true}});
    Caller caller(stack);
    stack.kubectl("rollout restart deployment/toygres");
    stack.kubectl("rollout status deployment/toygres --timeout=300s");
    REQUIRE(eventually([&] { return stack.servers_are_ready(); }));
    CHECK(stack.wait_operation(operation).at("state") == "succeeded");
    for (const auto& server : stack.servers()) CHECK(std::ranges::find(before, server) == before.end());
    INFO(fmt::format("{}", fmt::join(caller.failures(), "\n")));
    CHECK(caller.failures().empty());
    CHECK(caller.asked() > 20);
    CHECK(stack.wait_operation(stack.remove("rolled")).at("state") == "succeeded");
    CHECK(stack.broken_invariants() == "");
}

TEST_CASE("rollout: each server is killed while an instance is made and deleted: both operations end well", "[real]") {
    auto& stack = installed_stack();
    const auto kill_one = [&](std::size_t which) {
        stack.kubectl(fmt::format("delete pod {} --grace-period=0 --force", stack.servers().at(which)));
    };
    const auto creation = stack.create("killed", {{"replication", true}});
    kill_one(0);
    REQUIRE(eventually([&] { return stack.servers_are_ready(); }));
    kill_one(1);
    CHECK(stack.wait_operation(creation).at("state") == "succeeded");
    REQUIRE(eventually([&] { return stack.servers_are_ready(); }));
    const auto deletion = stack.remove("killed");
    kill_one(0);
    CHECK(stack.wait_operation(deletion).at("state") == "succeeded");
    REQUIRE(eventually([&] { return stack.servers_are_ready(); }));
    CHECK(stack.broken_invariants() == "");
    CHECK(eventually([&] { return shards_by_server(stack) == "32 32"; }));
}

TEST_CASE("rollout: the database's pod is deleted: the servers wait and go on", "[real]") {
    auto& stack = installed_stack();
    const Replicated db(stack, "waits");
    const auto before = stack.object("Pod", "toygres-cms-0").at("metadata").at("uid");
    stack.kubectl("delete pod toygres-cms-0");
    REQUIRE(eventually([&] { return stack.servers_are_ready() && stack.call("GET", "/readyz").status == 200; }));
    CHECK(stack.object("Pod", "toygres-cms-0").at("metadata").at("uid") != before);
    CHECK(db.becomes_whole());
    CHECK(db.ask("switchover").at("state") == "succeeded");
    CHECK(stack.wait_operation(stack.remove("waits")).at("state") == "succeeded");
}
