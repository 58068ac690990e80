// A monitor's look and what is recorded of it.
#include "activities/check_health.hpp"
#include "activities/instance_services.hpp"
#include "activities/record_health.hpp"
#include "base/crypto.hpp"
#include "cms/instances.hpp"
#include "cms/migrator.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"
#include "runtime/store/memory_store.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"
#include "unit/kube/fake_api.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::activities;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

// An instance of which Kubernetes knows all, at an address where nobody listens.
struct Unreachable {
    Unreachable() {
        api.answer(200, {{"kind", "Service"}, {"spec", {{"clusterIP", "127.19.7.1"}}}});
        api.answer(200, {{"kind", "Secret"}, {"data", {{"password", base64_encode("secret")}}}});
        api.answer(200, {{"kind", "Secret"}, {"data", {{"ca.crt", base64_encode("no certificate")}}}});
        services.provide(instances);
    }
    asio::any_io_executor executor() { return api.io.get_executor(); }

    FakeApi api;
    kube::Client kube{api.io.get_executor(), api.access()};
    kube::Templates templates = value_or_raise(kube::Templates::embedded());
    Sealer sealer = value_or_raise(Sealer::from_key(Secret(std::string(32, 'k'))));
    runtime::SystemClock clock{executor()};
    runtime::MemoryStore store{executor(), std::make_shared<runtime::MemoryDatabase>([] { return now(); })};
    runtime::Client client{executor(), store, clock};
    std::string scratch = std::filesystem::temp_directory_path() / "toygres-health-test";
    std::shared_ptr<pg::Pool> pool = std::make_shared<pg::Pool>(
        executor(), pg::PoolOptions{.conninfo = test::shared_postgres().conninfo(), .search_path = ""});
    InstanceServices instances{pool, kube, templates, sealer, client, "agent", std::nullopt, scratch};
    runtime::Services services;
};

const InstanceRef mydb{"00000000-0000-0000-0000-000000000001", "mydb-1a2b3c4d", "toygres"};

asio::awaitable<CheckHealth::Output> look_at(Unreachable& world) {
    runtime::ActivityContext context({"health-mydb-1a2b3c4d", 1, 1, 1}, world.services, now() + 1h, {}, [](Json) {});
    co_return co_await CheckHealth::run(context, mydb);
}

struct Turn {
    CheckHealth::Output look;
    std::chrono::milliseconds took;
    std::chrono::milliseconds waited_for_its_turn;
};

std::chrono::milliseconds since(Clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then);
}

// While others have all the places, for so long.
asio::awaitable<Turn> look_behind_a_crowd(Unreachable& world, std::chrono::milliseconds crowded) {
    auto& places = world.instances.log_ins;
    std::vector<Gate::Place> crowd;
    while (auto place = co_await places.enter(0ms)) crowd.push_back(*std::move(place));
    Turn out{};
    const auto began = Clock::now();
    bool ended = false;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    asio::co_spawn(world.executor(), look_at(world), [&](std::exception_ptr failure, CheckHealth::Output look) {
        CHECK(failure == nullptr);
        out.look = std::move(look);
        out.took = since(began);
        ended = true;
        timer.cancel();
    });
    while (places.waiting() == 0) {
        timer.expires_after(1ms);
        co_await timer.async_wait(use);
    }
    const auto waits_since = Clock::now();
    timer.expires_after(crowded);
    co_await timer.async_wait(use);
    out.waited_for_its_turn = since(waits_since);
    crowd.clear();
    timer.expires_after(1min);
    while (!ended) co_await timer.async_wait(use);
    co_return out;
}

class Transaction : public runtime::StepTransaction {
  public:
    explicit Transaction(pg::Connection& connection) : connection_(connection) {}
    pg::Connection* sql() override { return &connection_; }
    void on_commit(std::function<void()>) override {}

  private:
    pg::Connection& connection_;
};

constexpr pg::Query records{"test.records", "SELECT count(*)::int FROM instance_health_checks"};

}  // namespace

TEST_CASE("check health: the time that it tells is the instance's, not that of the wait for a turn") {
    Unreachable world;
    const auto turn = world.api.run(look_behind_a_crowd(world, 300ms));
    INFO(turn.look.error.value_or("healthy") << "; all took " << turn.took.count() << " ms");
    CHECK_FALSE(turn.look.healthy);
    CHECK(turn.look.response_time_ms <= (turn.took - turn.waited_for_its_turn).count() + 1);
}

TEST_CASE("record health: nothing is recorded of an instance that is being deleted") {
    const auto conninfo = test::shared_postgres().create_database();
    REQUIRE(cms::migrate(conninfo, "toygres_cms"));
    test::run([&]() -> asio::awaitable<void> {
        auto db = value_or_raise(co_await pg::Connection::connect(conninfo, "toygres_cms", "test", 5s));
        const auto id = value_or_raise(co_await cms::reserve_instance(
            *db, {"mydb", "mydb-1a2b3c4d", "toygres", "17", 10, true, 30'000, Json::object(), "create-mydb-1a2b3c4d"},
            {"alice", "req-1"}));
        const ha::Record alone{.primary = "mydb-1a2b3c4d-1", .members = {"mydb-1a2b3c4d-1"}};
        value_or_raise(co_await cms::insert_replication(*db, id, encode(alone), Json::object()));
        value_or_raise(co_await cms::make_health_partitions(*db, 1));
        const cms::Actor actor{"test", "req-2"};
        value_or_raise(co_await cms::set_state(*db, id, "running", actor, std::nullopt, "up"));
        const runtime::Services services;
        Transaction transaction(*db);
        runtime::StepContext context(transaction, services, "health-mydb-1a2b3c4d");
        const RecordHealth::Input unhealthy{.instance = id,
                                            .kind = "transition",
                                            .status = "unhealthy",
                                            .response_time_ms = 3,
                                            .checks = 1,
                                            .failures = 1,
                                            .error = "gone"};
        CHECK((co_await RecordHealth::run(context, unhealthy)).state == "running");
        CHECK(value_or_raise(co_await db->execute(records))[0].get<int>(0) == 1);
        value_or_raise(co_await cms::set_state(*db, id, "deleting", actor, std::nullopt, "not wanted any more"));
        CHECK((co_await RecordHealth::run(context, unhealthy)).state == "deleting");
        CHECK(value_or_raise(co_await db->execute(records))[0].get<int>(0) == 1);
    }());
}
