// Two releases of the server on one CMS, under load: the older one (TOYGRES_OLD_PROGRAMS, see ./dev test --upgrade) and
// the one that was built. The new one joins and brings the schema up to date, both serve, the old one leaves, and comes
// back. See docs/decisions/0065.
#include "base/file.hpp"
#include "load.hpp"

#include <fmt/format.h>

#include <csignal>
#include <sys/wait.h>

using namespace toygres;
using namespace toygres::test;

namespace {

constexpr int answers_wanted = 100;

std::string old_programs() {
    const char* out = std::getenv("TOYGRES_OLD_PROGRAMS");
    if (out == nullptr) FAIL("TOYGRES_OLD_PROGRAMS names no release to upgrade from; run ./dev test --upgrade");
    return out;
}

bool is_ready(const Stack& stack, const std::string& url) { return stack.call_at(url, "GET", "/readyz").status == 200; }

// It has ended by itself; it is left for the stack to bury.
bool has_ended(int pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

// Each of them has answered, and an instance has come and gone.
void let_work(const Load& load, const std::vector<std::string>& urls) {
    std::map<std::string, int> before;
    for (const auto& url : urls) before[url] = load.answers_of(url);
    const int cycles = load.cycles();
    CHECK(eventually(
        [&] {
            return load.cycles() > cycles && std::ranges::all_of(urls, [&](const auto& url) {
                       return load.answers_of(url) >= before[url] + answers_wanted;
                   });
        },
        300));
    INFO(load.faults());
    REQUIRE(load.faults().empty());
}

// Its monitor grants a request, so it lives.
bool is_monitored(const Stack& stack, const std::string& url, const std::string& name) {
    const auto accepted = stack.call_at(url, "PATCH", fmt::format("/api/v1/instances/{}/replication", name),
                                        {{"automatic_failover", false}});
    if (accepted.status != 202) return false;
    const auto operation = operation_of(accepted);
    return eventually([&] {
        const auto response = stack.call_at(url, "GET", "/api/v1/operations/" + operation);
        return response.status == 200 && parse_json(response.body).value().at("state") == "succeeded";
    });
}

}  // namespace

TEST_CASE("upgrade: two releases serve side by side, and nothing is lost on the way there and back") {
    Stack stack;
    const auto new_programs = std::exchange(stack.binaries, old_programs());
    stack.up();
    const auto old_url = stack.api_url();
    REQUIRE(stack.wait_operation(stack.create("steady"))["state"] == "succeeded");
    REQUIRE(stack
                .call("POST", "/api/v1/schedules",
                      {{"name", "nightly"}, {"cron", "0 3 * * *"}, {"type", "verify_replication"}, {"input", nullptr}})
                .status == 201);
    const auto old_schema = stack.value("SELECT max(number) FROM schema_migrations");

    Load load(stack);
    load.add(old_url);
    let_work(load, {old_url});

    // The new one joins, and expands the schema under the old one.
    stack.binaries = new_programs;
    auto newer = stack.start_extra_server();
    REQUIRE(eventually([&] { return is_ready(stack, newer.url); }));
    const auto new_schema = stack.value("SELECT max(number) FROM schema_migrations");
    WARN(fmt::format("the schema goes from migration {} to {}", old_schema, new_schema));
    load.add(newer.url);
    let_work(load, {old_url, newer.url});

    // The old one leaves in the middle of a creation that it has accepted.
    const auto begun = stack.create("begun-by-the-old-one");
    load.remove(old_url);
    stack.signal_server(SIGTERM);
    stack.wait_for_death();
    CHECK(stack.call_at(newer.url, "GET", "/api/v1/operations/" + begun).status == 200);
    const auto outcome = [&] {
        return parse_json(stack.call_at(newer.url, "GET", "/api/v1/operations/" + begun).body)
            .value()
            .value("state", "");
    };
    CHECK(eventually([&] { return outcome() == "succeeded"; }, 180));
    let_work(load, {newer.url});

    // Back: the old one serves on the newer schema, or says why not; the new one serves all the while.
    stack.binaries = old_programs();
    const auto older = stack.start_extra_server();
    REQUIRE(eventually([&] { return is_ready(stack, older.url) || has_ended(older.pid); }));
    if (has_ended(older.pid)) {
        const auto log = read_file(stack.directory + "/extra.log").value();
        WARN("the old release refuses the newer schema");
        CHECK(log.contains("schema_too_new"));
        CHECK(log.contains(fmt::format("migration {}", new_schema)));
        let_work(load, {newer.url});
    } else {
        WARN("the old release serves on the newer schema");
        load.add(older.url);
        let_work(load, {older.url, newer.url});
        load.remove(newer.url);
        REQUIRE(::kill(newer.pid, SIGTERM) == 0);
        REQUIRE(eventually([&] { return has_ended(newer.pid); }));
        // What the new one has pinned to a version that the old one does not know waits.
        let_work(load, {older.url});
        stack.binaries = new_programs;
        newer = stack.start_extra_server();
        REQUIRE(eventually([&] { return is_ready(stack, newer.url); }));
        load.add(newer.url);
        load.remove(older.url);
        REQUIRE(::kill(older.pid, SIGTERM) == 0);
        REQUIRE(eventually([&] { return has_ended(older.pid); }));
        let_work(load, {newer.url});
    }
    stack.binaries = new_programs;

    load.finish();
    INFO(load.faults());
    CHECK(load.faults().empty());
    CHECK(is_monitored(stack, newer.url, "steady"));
    CHECK(is_monitored(stack, newer.url, "begun-by-the-old-one"));
    CHECK(eventually([&] { return stack.value("SELECT count(*) FROM orchestrations WHERE status = 'stuck'") == "0"; }));
    CHECK(stack.value("SELECT count(*) FROM operations WHERE state <> 'succeeded'") == "0");
    CHECK(stack.broken_invariants() == "");
}
