// A process killed, a database session ended, an answer lost, at every place between "computed" and "released": each
// orchestration ends as if nothing had happened, with every effect that counts once.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// A bit of everything that commits.
Task<Json> works(Ctx& ctx, Json) {
    co_await ctx.transact<Add>(1);
    const auto echoed = co_await ctx.call<Echo>(20);
    co_await ctx.sleep(1ms);
    const auto child = co_await ctx.child<Named<"kid">>(echoed, {.id = ctx.id() + "-kid"});
    co_await ctx.detach<Named<"kid">>(ctx.id() + "-other", 5);
    const auto said = co_await ctx.wait<Json>("go");
    co_await ctx.transact<Add>(2);
    co_return child.get<int>() + said.get<int>();
}
Task<Json> kid(Ctx& ctx, Json in) {
    co_await ctx.transact<Add>(in);
    co_return in.get<int>() + 1;
}

constexpr const char* works_kinds =
    "started step_scheduled step_completed activity_scheduled activity_completed timer_created timer_fired "
    "child_scheduled child_completed detach_scheduled detach_accepted wait_started step_scheduled step_completed "
    "completed";

// What is recorded, but for the signal, which comes when it comes.
std::string kinds_of(World& world, const std::string& id) {
    auto out = world.kinds(id);
    const std::string signal = " signal_received";
    REQUIRE(out.find(signal) != std::string::npos);
    return out.erase(out.find(signal), signal.size());
}

void prepare(World& world) {
    define(world, "works", works);
    define(world, "kid", kid);
}

// Runs to the end over whatever happens; `tick` is called all the while.
void finish(World& world, const std::function<void()>& tick = [] {}) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (;;) {
        tick();
        const auto row = world.await(world.client().get("a"));
        if (row && is_finished(row->status)) break;
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        pass(world, 1ms);
    }
    CHECK(world.wait("a").output == 21 + 100);
    CHECK(world.wait("a-other").output == 6);
    CHECK(kinds_of(world, "a") == works_kinds);
    CHECK(balance(world, "a") == 3);
    CHECK(balance(world, "a-kid") == 20);
    CHECK(balance(world, "a-other") == 5);
}

void begin_work(World& world) {
    begin(world, "a", "works");
    world.signal("a", "go", 100);
}

// Counts what passes through, and stops for ever at one of them: the process is dead from there on.
class DyingStore : public AlteringStore {
  public:
    enum class Place { before_commit, after_commit, before_step, after_step };
    struct Plan {
        Place place;
        int countdown;
        bool died = false;
        bool over = false;  // the dead may go to their rest
    };
    DyingStore(asio::any_io_executor executor, std::shared_ptr<MemoryDatabase> database, std::shared_ptr<Plan> plan)
        : AlteringStore(std::move(executor), std::move(database)), plan_(std::move(plan)) {}

    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override {
        co_await pass(Place::before_commit);
        auto receipt = co_await AlteringStore::commit(fence, number, turns);
        co_await pass(Place::after_commit);
        co_return receipt;
    }
    asio::awaitable<Result<StepReceipt>> run_step(const Fence& fence, Message completion, StepBody body) override {
        co_await pass(Place::before_step);
        auto receipt = co_await AlteringStore::run_step(fence, std::move(completion), std::move(body));
        co_await pass(Place::after_step);
        co_return receipt;
    }

  private:
    asio::awaitable<void> pass(Place place) {
        if (plan_->died || plan_->place != place || --plan_->countdown > 0) co_return;
        plan_->died = true;
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (!plan_->over) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
    }
    std::shared_ptr<Plan> plan_;
};

// Kills the process at the first, second, … passage of a place, until one run passes it less often than that.
void killed_at(DyingStore::Place place, int passages_min) {
    for (const bool evict : {false, true}) {
        int nth = 1;
        for (bool died = true; died; ++nth) {
            INFO("at passage " << nth << (evict ? ", evicted every turn" : ""));
            on_memory_once(evict, [&](World& world) {
                prepare(world);
                auto plan = std::make_shared<DyingStore::Plan>(DyingStore::Plan{place, nth});
                world.make_memory_store = [plan](auto executor, auto database) {
                    return std::make_unique<DyingStore>(executor, std::move(database), plan);
                };
                struct Rest {
                    DyingStore::Plan& plan;
                    ~Rest() { plan.over = true; }
                } rest{*plan};
                auto& first = world.start_process();
                begin_work(world);
                finish(world, [&] {
                    if (!plan->died || first.frozen) return;
                    world.kill(first);
                    world.start_process();
                });
                died = plan->died;
            });
        }
        CHECK(nth - 2 >= passages_min);
    }
}

// A trigger that ends the session of the n-th statement of that kind, wherever it is then in its transaction.
void end_session_at(const std::string& when, int nth, bool at_commit) {
    on_postgres([&](World& world) {
        prepare(world);
        sql(world, "CREATE SEQUENCE bombs");
        sql(world, fmt::format("CREATE FUNCTION bomb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                               "IF nextval('{}.bombs') = {} THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
                               "PERFORM pg_sleep(0.01); END IF; RETURN NULL; END $$",
                               world.schema, nth));
        sql(world, fmt::format("CREATE {} TRIGGER bomb AFTER {} {} FOR EACH ROW EXECUTE FUNCTION bomb()",
                               at_commit ? "CONSTRAINT" : "", when, at_commit ? "DEFERRABLE INITIALLY DEFERRED" : ""));
        world.start_process();
        value_or_raise(world.await(world.running().store->start({.id = "a", .name = "works", .input = {}})));
        sql(world,
            "INSERT INTO inbox (shard, orchestration, kind, name, payload) SELECT shard, id, 'signal', 'go', "
            "'100' FROM orchestrations WHERE id = 'a'");
        world.running().host->nudge("a");
        finish(world);
        CHECK(std::stoi(sql_value(world, "SELECT last_value FROM bombs")) >= nth);
    });
}

}  // namespace

TEST_CASE("kill: before the commit of each turn [crash_after_dequeue_before_append_completion]") {
    killed_at(DyingStore::Place::before_commit, 8);
}

TEST_CASE("kill: after the commit of each turn, before its effects [crash_after_append_before_ack]") {
    killed_at(DyingStore::Place::after_commit, 8);
}

TEST_CASE("kill: before the transaction of each step") { killed_at(DyingStore::Place::before_step, 4); }

TEST_CASE("kill: after the commit of each step, before it is known") { killed_at(DyingStore::Place::after_step, 4); }

TEST_CASE("kill: in the middle of an activity [activity_reliability_after_crash_before_completion_enqueue]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.transact<Add>(1);
            co_await ctx.call<Hold>(1);
            co_return co_await ctx.transact<Add>(2);
        });
        world.start_process();
        begin(world, "a", "o");
        for (int crashes = 1; crashes <= 3; ++crashes) {
            world.until([&] { return lab().runs["hold"] == crashes; });
            crash(world);
        }
        lab().open = true;
        CHECK(world.wait("a").status == Status::completed);
        CHECK(balance(world, "a") == 3);
    });
}

TEST_CASE("kill: again and again, with many orchestrations") {
    everywhere([](World& world) {
        prepare(world);
        world.start_process();
        for (int i = 0; i < 10; ++i) {
            begin(world, fmt::format("m{}", i), "works");
            world.signal(fmt::format("m{}", i), "go", i);
        }
        for (int crashes = 0; crashes < 4; ++crashes) {
            pass(world, 15ms);
            crash(world);
        }
        for (int i = 0; i < 10; ++i) {
            const auto id = fmt::format("m{}", i);
            CHECK(world.wait(id).output == 21 + i);
            CHECK(kinds_of(world, id) == works_kinds);
            CHECK(balance(world, id) == 3);
        }
    });
}

TEST_CASE("session ended: while a turn's history is written") {
    for (const int nth : {1, 3, 6}) end_session_at("INSERT ON history", nth, false);
}

TEST_CASE("session ended: while a turn's row is updated") {
    for (const int nth : {1, 4}) end_session_at("UPDATE ON orchestrations", nth, false);
}

TEST_CASE("session ended: while messages are consumed") {
    for (const int nth : {1, 3}) end_session_at("DELETE ON inbox", nth, false);
}

TEST_CASE("session ended: while messages and completions of steps are written") {
    for (const int nth : {3, 4, 6}) end_session_at("INSERT ON inbox", nth, false);
}

TEST_CASE("session ended: while a child is started") { end_session_at("INSERT ON orchestrations", 2, false); }

TEST_CASE("session ended: at the commit of a turn") {
    for (const int nth : {1, 3, 6}) end_session_at("INSERT ON history", nth, true);
}

TEST_CASE("session ended: at the commit of a step") {
    for (const int nth : {1, 2}) end_session_at("INSERT ON balances", nth, true);
}

TEST_CASE("session ended: all of them at once, again and again [hazard: one pg_terminate_backend fails it]") {
    on_postgres([](World& world) {
        prepare(world);
        world.start_process();
        begin_work(world);
        int left = 6;
        finish(world, [&] {
            if (left-- > 0)
                sql(world,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
                    "application_name LIKE '" +
                        world.schema + "%'");
        });
    });
}

TEST_CASE("database away: an activity that ends meanwhile is not lost [hazard: lost activity on a database blip]") {
    on_memory([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Hold>("held"); });
        auto& process = world.start_process();
        begin(world, "a", "o");
        world.until([] { return lab().runs["hold"] == 1; });
        process.memory->set_available(false);
        lab().open = true;
        pass(world, 50ms);
        CHECK(lab().stopped["hold"] == 0);
        process.memory->set_available(true);
        CHECK(world.wait("a").output == "held");
        CHECK(lab().runs["hold"] == 1);
    });
}

TEST_CASE("database away: timers that come due meanwhile fire afterwards") {
    on_memory([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(20ms);
            co_return Json("slept");
        });
        auto& process = world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::timer_created);
        process.memory->set_available(false);
        pass(world, 60ms);
        process.memory->set_available(true);
        CHECK(world.wait("a").output == "slept");
    });
}

TEST_CASE(
    "clock: steps of a process's clock move no shard and lose no timer [hazard: lock times by the node's clock]") {
    everywhere([](World& world) {
        prepare(world);
        auto& a = world.start_process();
        auto& b = world.start_process();
        world.until([&] { return a.host->owned_shards() == 32 && b.host->owned_shards() == 32; });
        a.clock.step = 1h;
        b.clock.step = -1h;
        begin_work(world);
        finish(world);
        pass(world, 400ms);
        CHECK(a.host->owned_shards() == 32);
        CHECK(b.host->owned_shards() == 32);
    });
}

// An hour is longer than anybody waits here: whatever the step added would show.
TEST_CASE("clock: a sleep that begins after it was set back lasts as long as it is meant to") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.wait<Json>("go");
            co_await ctx.sleep(20ms);
            co_return Json("slept");
        });
        auto& process = world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        process.clock.step = -1h;
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == "slept");
    });
}

TEST_CASE("clock: a timer that waits while it is set back is not delayed") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(200ms);
            co_return Json("slept");
        });
        auto& process = world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::timer_created);
        process.clock.step = -1h;
        CHECK(world.wait("a").output == "slept");
    });
}

TEST_CASE("clock: a timer that a process with a clock behind takes up waits no longer than in all") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(200ms);
            co_return Json("slept");
        });
        auto& first = world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::timer_created);
        auto& second = world.start_process();
        second.clock.step = -1h;
        world.kill(first);
        CHECK(world.wait("a").output == "slept");
    });
}
