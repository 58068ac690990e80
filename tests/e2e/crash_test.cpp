#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>

using namespace toygres;
using namespace toygres::test;

namespace {

// Every phase of a commit of the turns of one kind of orchestration, and between any two effects.
std::vector<std::string> points_of(const std::string& kind, int commits, int effects) {
    std::vector<std::string> out;
    for (int n = 1; n <= commits; ++n)
        out.push_back(fmt::format("commit.{}/{}:{}", n % 3 == 0 ? "sent" : n % 3 == 1 ? "before" : "after", kind, n));
    for (int n = 1; n <= effects; ++n)
        out.push_back(fmt::format("effect.{}:{}", kind == "create" ? "apply" : "remove", n));
    return out;
}

void check_recorded_once(Stack& stack, const std::string& orchestration) {
    const auto twice =
        stack.sql(fmt::format("SELECT kind, name, count(*) FROM orchestration_events WHERE orchestration = '{}' "
                              "AND kind IN ('step_scheduled') GROUP BY execution, kind, name HAVING count(*) > 1",
                              orchestration));
    CHECK(twice.empty());
}

// The server may be dead before it has answered the call that began it.
std::string on_record(const Stack& stack, const std::string& name, const std::string& kind) {
    return stack.value(
        fmt::format("SELECT o.id FROM operations o JOIN instances i ON i.id = o.instance_id "
                    "WHERE i.user_name = '{}' AND o.kind = '{}'",
                    name, kind));
}

}  // namespace

TEST_CASE(
    "kill -9 of the server at every point of create and of delete: one instance or none, nothing orphaned, nothing "
    "twice") {
    Stack stack;
    stack.up();
    const auto creating = points_of("create", 8, 14);
    const auto deleting = points_of("delete", 13, 9);
    REQUIRE(creating.size() >= 20);
    REQUIRE(deleting.size() >= 20);
    int trial = 0;
    for (std::size_t i = 0; i < creating.size(); ++i) {
        const auto name = fmt::format("crash{}", ++trial);
        INFO("create killed at " << creating[i] << ", delete killed at " << deleting[i]);

        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        stack.up(creating[i]);
        stack.call("POST", "/api/v1/instances", {{"name", name}, {"replication", false}});
        stack.wait_for_death();
        const auto made = on_record(stack, name, "create_instance");
        stack.up(deleting[i]);
        CHECK(stack.wait_operation(made).at("state") == "succeeded");
        CHECK(stack.can_connect(name));
        CHECK(stack.broken_invariants().empty());
        CHECK(stack.value(fmt::format("SELECT count(*) FROM instances WHERE user_name = '{}'", name)) == "1");
        const auto k8s_name = stack.value(fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}'", name));
        check_recorded_once(stack, "create-" + k8s_name);

        stack.call("DELETE", "/api/v1/instances/" + name);
        stack.wait_for_death();
        const auto gone = on_record(stack, name, "delete_instance");
        stack.up();
        CHECK(stack.wait_operation(gone).at("state") == "succeeded");
        check_recorded_once(stack, "delete-" + k8s_name);
        CHECK(stack.objects().empty());
        CHECK(eventually([&] { return stack.volumes().empty(); }));
        CHECK(stack.broken_invariants().empty());
        CHECK(stack.value(fmt::format("SELECT state FROM instances WHERE user_name = '{}'", name)) == "deleted");
    }
}
