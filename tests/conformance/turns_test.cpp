// Turns: all of one or nothing of it, and nothing before it is recorded.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// A memory store whose commits wait at a gate.
class GatedStore : public AlteringStore {
  public:
    using AlteringStore::AlteringStore;
    bool shut = false;
    int waiting = 0;
    int commits = 0;

    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        ++waiting;
        while (shut) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        --waiting;
        ++commits;
        co_return co_await AlteringStore::commit(fence, number, turns);
    }
};

// The stores of the processes, in the order in which they came.
void gated(const std::function<void(World&, std::vector<GatedStore*>&)>& test) {
    on_memory([&](World& world) {
        std::vector<GatedStore*> stores;
        world.make_memory_store = [&](auto executor, auto database) {
            auto made = std::make_unique<GatedStore>(executor, std::move(database));
            stores.push_back(made.get());
            return made;
        };
        test(world, stores);
    });
}

Task<Json> starts_all(Ctx& ctx, Json) {
    ctx.set_status("begun");
    auto call = ctx.call<Echo>(1);
    auto step = ctx.transact<Add>(2);
    auto child = ctx.child<Named<"kid">>(3, {.id = "k"});
    auto timer = ctx.sleep(1h);
    co_await ctx.wait<Json>("go");
    co_await std::move(call);
    co_await std::move(step);
    co_return co_await std::move(child);
}
Task<Json> kid(Ctx&, Json in) { co_return in; }

}  // namespace

TEST_CASE("turns: all that one does is one row of history [multi_operation_atomic_ack]") {
    everywhere([](World& world) {
        define(world, "o", starts_all);
        define(world, "kid", kid);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        const auto rows = value_or_raise(world.await(world.running().store->load_history(get(world, "a").key, 1)));
        const auto first = parse_json(rows.at(0)).value();
        CHECK(first.size() == 7);
        CHECK(first.back().at("kind") == "wait_started");
    });
}

TEST_CASE("turns: no gaps, one start, one end, each answer after its question [prop_event_ids_monotonic]") {
    everywhere([](World& world) {
        define(world, "o", starts_all);
        define(world, "kid", kid);
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "go", 1);
        world.wait("a");
        const auto events = world.history("a");
        CHECK(events.front().kind == "started");
        CHECK(events.back().kind == "completed");
        CHECK(get(world, "a").next_event == static_cast<std::int64_t>(events.size()) + 1);
        for (const auto& event : events) {
            if (event.of) CHECK(*event.of < event.event);
            CHECK((event.kind == "completed") == (event.event == static_cast<std::int64_t>(events.size())));
        }
    });
}

TEST_CASE("turns: one that needs no wait is a single one [immediate_return_ok]") {
    everywhere([](World& world) {
        define(world, "o", kid);
        world.start_process();
        CHECK(run(world, "a", "o", 1).output == 1);
        CHECK(world.kinds("a") == "started completed");
    });
}

TEST_CASE("turns: one that the database refuses leaves nothing, no child either [atomicity_failure_rollback]") {
    on_postgres([](World& world) {
        define(world, "kid", kid);
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto child = ctx.child<Named<"kid">>(1, {.id = "k"});
            co_return co_await ctx.call<Echo>(std::string("\0", 1));
        });
        world.start_process();
        begin(world, "a", "o");
        parked(world, "a");
        CHECK(world.history("a").empty());
        CHECK(world.await(world.client().get("k")).error().code == "orchestration_not_found");
        CHECK(lab().runs["echo"] == 0);
        CHECK(sql_value(world, "SELECT count(*) FROM inbox") == "1");  // the start, for the release that can
    });
}

TEST_CASE("turns: nothing takes effect before it is recorded") {
    gated([](World& world, auto& stores) {
        define(world, "o", starts_all);
        define(world, "kid", kid);
        world.start_process();
        stores[0]->shut = true;
        begin(world, "a", "o");
        world.until([&] { return stores[0]->waiting > 0; });
        pass(world, 20ms);
        CHECK(lab().runs["echo"] == 0);
        CHECK(lab().runs["add"] == 0);
        CHECK(world.await(world.client().get("k")).error().code == "orchestration_not_found");
        stores[0]->shut = false;
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 3);
        CHECK(lab().runs["echo"] == 1);
    });
}

TEST_CASE("turns: a lease that is lost while one is being committed voids it, the new owner does the work once") {
    gated([](World& world, auto& stores) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(1);
            co_return co_await ctx.transact<Add>(4);
        });
        auto& first = world.start_process();
        stores[0]->shut = true;
        begin(world, "a", "o");
        world.until([&] { return stores[0]->waiting > 0; });
        world.freeze(first);
        first.memory->drop_session();
        auto& second = world.start_process();
        world.until([&] { return second.host->owned_shards() == shard_count; });
        CHECK(world.wait("a").output == 4);
        world.thaw(first);
        stores[0]->shut = false;
        world.until([&] { return first.host->owned_shards() + second.host->owned_shards() == shard_count; });
        pass(world, 10ms);
        CHECK(world.kinds("a") ==
              "started activity_scheduled activity_completed step_scheduled step_completed completed");
        CHECK(balance(world, "a") == 4);
    });
}

TEST_CASE("turns: what arrives while one is being committed is taken in by the next, all at once") {
    gated([](World& world, auto& stores) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            Json out = Json::array();
            for (int i = 0; i < 10; ++i) out.push_back(co_await ctx.wait<Json>("go"));
            co_return out;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        stores[0]->shut = true;
        for (int i = 0; i < 10; ++i) world.signal("a", "go", i);
        pass(world, 20ms);
        stores[0]->shut = false;
        CHECK(world.wait("a").output == Json{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        CHECK(value_or_raise(world.await(world.running().store->load_history(get(world, "a").key, 1))).size() <= 4);
    });
}

TEST_CASE("turns: a live execution reads no history, and waiting for a result neither [hazard: full history reads]") {
    log::set_level("off");
    on_memory_once(false, [](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            for (int i = 0; i < 20; ++i) co_await ctx.call<Echo>(i);
            co_return Json();
        });
        world.start_process();
        run(world, "a", "o");
        CHECK(lab().runs["load_history"] == 0);
    });
}

TEST_CASE("turns: one that waits costs no commit") {
    gated([](World& world, auto& stores) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("never"); });
        world.start_process();
        for (int i = 0; i < 20; ++i) begin(world, fmt::format("w{}", i), "o");
        for (int i = 0; i < 20; ++i) world.until_recorded(fmt::format("w{}", i), EventKind::wait_started);
        const int before = stores[0]->commits;
        pass(world, 200ms);
        CHECK(stores[0]->commits == before);
    });
}
