// What the host makes of answers that come late or never: commits whose outcome is not known, and reads of the inbox
// that overlap the turn which consumes what they read.
#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

// Counts "more" signals until "end" comes.
struct Count {
    static constexpr std::string_view name = "count";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        while ((co_await ctx.wait<Json>("step")) == "more") ++in.value;
        co_return in;
    }
};

// Ends with the first update.
struct Once {
    static constexpr std::string_view name = "once";
    static constexpr int version = 1;
    using Input = Nothing;
    using Output = Nothing;
    static Task<Nothing> run(OrchestrationContext& ctx, Nothing) {
        const auto close = ctx.on_update<Number>(
            "close", [](const Number&) {},
            [&](const Number& with) {
                ctx.post("closed", Json());
                return with.value + 1;
            });
        co_await ctx.wait<Json>("closed");
        co_return Nothing();
    }
};

// Ends with its first turn, in its second execution; a number below zero fails it.
struct Renewed {
    static constexpr std::string_view name = "renewed";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        ctx.set_status({{"execution", ctx.execution()}});
        if (ctx.execution() == 1) ctx.continue_as_new(in);
        if (in.value < 0) raise(ErrorKind::invalid, "negative", "below zero");
        co_return in;
    }
};

// Ends with its first turn.
struct Instant {
    static constexpr std::string_view name = "instant";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext&, Number in) { co_return in; }
};

// A memory store whose commits and inbox reads wait at a gate, or lose their answers.
class AwkwardStore : public MemoryStore {
  public:
    using MemoryStore::MemoryStore;
    bool hold_commits = false;
    bool hold_answers = false;  // of commits
    bool hold_reads = false;
    bool hold_starts = false;
    int held_commits = 0;
    int held_answers = 0;
    int held_reads = 0;
    int held_starts = 0;
    bool repeat_sends = false;  // each once more, when this is over
    int repeated_sends = 0;
    std::vector<std::size_t> commits;  // turns of each
    int loads = 0;                     // of rows by id

    asio::awaitable<Result<std::vector<OrchestrationRow>>> load(std::vector<std::string> ids) override {
        ++loads;
        co_return co_await MemoryStore::load(std::move(ids));
    }
    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override {
        co_await held(hold_commits, held_commits);
        commits.push_back(turns.size());
        auto out = co_await MemoryStore::commit(fence, number, turns);
        co_await held(hold_answers, held_answers);
        co_return out;
    }
    asio::awaitable<Result<std::vector<Message>>> load_inbox(std::vector<int> shards) override {
        auto out = co_await MemoryStore::load_inbox(std::move(shards));
        co_await held(hold_reads, held_reads);
        co_return out;
    }

    asio::awaitable<Result<void>> send(Message message) override {
        auto out = co_await MemoryStore::send(message);
        if (!repeat_sends) co_return out;
        co_await held(repeat_sends, repeated_sends);
        co_return co_await MemoryStore::send(std::move(message));
    }
    asio::awaitable<Result<StartOutcome>> start(StartRequest request) override {
        auto out = co_await MemoryStore::start(std::move(request));
        co_await held(hold_starts, held_starts);
        co_return out;
    }

  private:
    static asio::awaitable<void> held(const bool& hold, int& count) {
        if (!hold) co_return;
        ++count;
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (hold) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        --count;
    }
};

// Loses the answer of one commit: before the database did it, after, or before it does it all the same, a little late.
class LosingStore : public MemoryStore {
  public:
    using MemoryStore::MemoryStore;
    enum class Lose { nothing, before, after, late } lose = Lose::nothing;

    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override {
        const auto now = std::exchange(lose, Lose::nothing);
        const Error lost{ErrorKind::transient, "database_unavailable", "the connection broke"};
        if (now == Lose::before) co_return std::unexpected(lost);
        if (now == Lose::late) {
            late_ = turns;
            co_return std::unexpected(lost);
        }
        if (!late_.empty()) value_or_raise(co_await MemoryStore::commit(fence, number, std::exchange(late_, {})));
        auto receipt = co_await MemoryStore::commit(fence, number, turns);
        if (now == Lose::after) co_return std::unexpected(lost);
        co_return receipt;
    }

  private:
    std::vector<Turn> late_;
};

}  // namespace

namespace {

// One process on such a store.
struct AwkwardWorld : World {
    AwkwardWorld() : World(StoreKind::memory, false) {
        log::set_level("error");
        orchestrations.add<Count>();
        orchestrations.add<Once>();
        orchestrations.add<Instant>();
        orchestrations.add<Renewed>();
        make_memory_store = [this](auto executor, auto database) {
            auto made = std::make_unique<AwkwardStore>(executor, database);
            store = made.get();
            return made;
        };
        start_process();
    }
    AwkwardStore* store = nullptr;
};

}  // namespace

TEST_CASE("starts: what is started by its owner begins without a look into the inbox") {
    AwkwardWorld world;
    auto* store = world.store;
    store->hold_reads = true;
    world.until([&] {
        world.running().host->nudge("c");
        return store->held_reads == 1;
    });
    world.start({.id = "c", .name = "count", .input = encode(Number{0})});
    world.until_recorded("c", EventKind::started);
    store->hold_reads = false;
    world.signal("c", "step", "end");
    CHECK(world.wait("c").output == encode(Number{0}));
}

TEST_CASE("starts: an answer that comes when all is over begins nothing again") {
    AwkwardWorld world;
    auto* store = world.store;
    store->hold_starts = true;
    std::optional<Result<StartOutcome>> answer;
    asio::co_spawn(world.running().io, world.client().start({.id = "c", .name = "count", .input = encode(Number{0})}),
                   [&](std::exception_ptr e, Result<StartOutcome> outcome) {
                       if (e) std::rethrow_exception(e);
                       answer = std::move(outcome);
                   });
    world.until([&] { return store->held_starts == 1; });
    world.running().host->nudge("c");
    world.signal("c", "step", "end");
    CHECK(world.wait("c").output == encode(Number{0}));
    CHECK(!world.running().host->has("c"));
    store->hold_starts = false;
    world.until([&] { return answer.has_value(); });
    CHECK(answer->value().created);
    CHECK(!world.running().host->has("c"));
    CHECK(world.history("c").size() == 4);  // started, wait_started, signal_received, completed
}

TEST_CASE("status: who waits where it ends is told what its row says, but for its times, and nobody reads it") {
    for (const int value : {4, -4}) {
        INFO(value);
        AwkwardWorld world;
        auto* store = world.store;
        store->hold_commits = true;
        world.start({.id = "r", .name = "renewed", .input = encode(Number{value}), .tags = {{"team", "web"}}});
        world.until([&] { return store->held_commits == 1; });
        store->loads = 0;
        std::optional<Result<OrchestrationRow>> told;
        asio::co_spawn(world.running().io, world.client().wait("r", 1min),
                       [&](std::exception_ptr e, Result<OrchestrationRow> row) {
                           if (e) std::rethrow_exception(e);
                           told = std::move(row);
                       });
        store->hold_commits = false;
        world.until([&] { return told.has_value(); });
        CHECK(store->loads == 0);
        auto row = told->value();
        const auto stored = value_or_raise(world.await(world.client().get("r")));
        CHECK(row.status == (value < 0 ? Status::failed : Status::completed));
        CHECK(row.execution == 2);
        CHECK(row.finished_at.has_value());
        row.created_at = stored.created_at;
        row.updated_at = stored.updated_at;
        row.finished_at = stored.finished_at;
        CHECK(encode(row) == encode(stored));
    }
}

TEST_CASE("starts: who waits for a new execution is not told the end of the one before") {
    AwkwardWorld world;
    auto* store = world.store;
    store->hold_answers = true;
    world.start({.id = "i", .name = "instant", .input = encode(Number{1})});
    world.until([&] { return store->held_answers == 1; });
    CHECK(value_or_raise(world.await(world.client().get("i"))).finished_at.has_value());
    world.start(
        {.id = "i", .name = "instant", .input = encode(Number{2}), .on_conflict = OnConflict::replace_terminal});
    std::optional<Result<OrchestrationRow>> told;
    asio::co_spawn(world.running().io, world.client().wait("i", 1min),
                   [&](std::exception_ptr e, Result<OrchestrationRow> row) {
                       if (e) std::rethrow_exception(e);
                       told = std::move(row);
                   });
    store->hold_answers = false;
    world.until([&] { return told.has_value(); });
    CHECK(told->value().execution == 2);
    CHECK(told->value().output == encode(Number{2}));
}

TEST_CASE("retention: an id that is free again begins anew, whatever is still read of the old one") {
    AwkwardWorld world;
    auto* store = world.store;
    const auto prune_all = [&] { return value_or_raise(world.await(world.client().prune({{"", 1, 0min}}))); };
    SECTION("started by its owner, during a look into the inbox") {
        store->hold_reads = true;
        world.until([&] {
            world.running().host->nudge("i");
            return store->held_reads == 1;
        });
        for (int time = 0; time < 2; ++time) {
            CHECK(world.run<Instant>("i", {time}).output == encode(Number{time}));
            CHECK(prune_all().orchestrations == 1);
        }
        store->hold_reads = false;
    }
    SECTION("started elsewhere, during a start whose answer is late") {
        store->hold_starts = true;
        asio::co_spawn(world.running().io,
                       world.client().start({.id = "c", .name = "count", .input = encode(Number{0})}),
                       [](std::exception_ptr e, const Result<StartOutcome>&) {
                           if (e) std::rethrow_exception(e);
                       });
        world.until([&] { return store->held_starts == 1; });
        for (int time = 0; time < 2; ++time) {
            const auto input = encode(Number{time});
            value_or_raise(world.await(store->MemoryStore::start({.id = "i", .name = "instant", .input = input})));
            world.running().host->nudge("i");
            CHECK(world.wait("i").output == input);
            CHECK(prune_all().orchestrations == 1);
        }
        store->hold_starts = false;
        world.until([&] { return store->held_starts == 0; });
    }
}

TEST_CASE("updates: one that was the last, and is asked for again meanwhile, is answered as it was") {
    AwkwardWorld world;
    auto* store = world.store;
    world.start({.id = "o", .name = "once", .input = Json::object()});
    world.until_recorded("o", EventKind::wait_started);
    store->repeat_sends = true;
    std::optional<Result<Json>> answer;
    asio::co_spawn(world.running().io, world.client().update("o", "close", encode(Number{4}), "r"),
                   [&](std::exception_ptr e, Result<Json> out) {
                       if (e) std::rethrow_exception(e);
                       answer = std::move(out);
                   });
    world.until([&] { return store->repeated_sends == 1; });
    world.running().host->nudge("o");
    world.wait("o");
    store->repeat_sends = false;
    world.until([&] { return answer.has_value(); });
    CHECK(answer->value() == 5);
}

TEST_CASE("commit: turns that have patience go together, by the time it ends or with the first that has none") {
    asio::io_context io;
    SystemClock clock(io.get_executor());
    AwkwardStore store(io.get_executor(), std::make_shared<MemoryDatabase>([] { return now(); }));
    const auto run = [&]() -> asio::awaitable<void> {
        const auto worker = value_or_raise(co_await store.join("w"));
        const auto membership = value_or_raise(co_await store.renew(worker, 10s));
        const auto shard = value_or_raise(co_await store.claim(worker, membership.shards, 10s)).front();
        Committer committer(io.get_executor(), store, clock, worker);
        toygres::Event all(io.get_executor());
        int done = 0;
        const auto submit = [&](milliseconds patience) {
            committer.submit({{.id = "nobody", .consumed = {1}}, shard, patience, [&](const Result<TurnReceipt>&) {
                                  ++done;
                                  all.notify();
                              }});
        };
        const auto until = [&](int turns) -> asio::awaitable<void> {
            while (done < turns) co_await all.wait();
        };
        bool ended = false;
        asio::co_spawn(io, committer.run(), [&](std::exception_ptr) {
            ended = true;
            all.notify();
        });
        submit(1h);
        submit(1h);
        submit(0ms);
        co_await until(3);
        CHECK(store.commits == std::vector<std::size_t>{3});
        submit(1h);
        submit(2ms);
        co_await until(5);
        CHECK(store.commits == std::vector<std::size_t>{3, 2});
        submit(1h);
        committer.hurry();
        co_await until(6);
        for (int i = 0; i < 64; ++i) submit(1h);  // as many as a commit takes
        co_await until(70);
        CHECK(store.commits == std::vector<std::size_t>{3, 2, 1, 64});
        submit(1h);
        committer.stop();
        co_await until(71);
        while (!ended) co_await all.wait();
    };
    asio::co_spawn(io, run(), [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
    });
    io.run();
    CHECK(store.commits == std::vector<std::size_t>{3, 2, 1, 64, 1});
}

TEST_CASE("inbox: a message read while its turn commits is delivered once") {
    AwkwardWorld world;
    auto* store = world.store;
    world.start({.id = "c", .name = "count", .input = encode(Number{0})});
    world.until_recorded("c", EventKind::started);

    store->hold_commits = true;
    world.signal("c", "step", "more");
    world.until([&] { return store->held_commits == 1; });
    store->hold_reads = true;
    world.until([&] {
        world.running().host->nudge("c");
        return store->held_reads == 1;
    });
    store->hold_commits = false;
    world.until_recorded("c", EventKind::signal_received);
    store->hold_reads = false;
    world.until([&] { return store->held_reads == 0; });

    world.signal("c", "step", "end");
    CHECK(world.wait("c").output == encode(Number{1}));
}

TEST_CASE("commit: turns whose commit was lost are committed again, though the message of one is gone") {
    for (const auto lose : {LosingStore::Lose::before, LosingStore::Lose::after, LosingStore::Lose::late}) {
        asio::io_context io;
        SystemClock clock(io.get_executor());
        auto database = std::make_shared<MemoryDatabase>([] { return now(); });
        LosingStore store(io.get_executor(), database);
        int done = 0;
        const auto run = [&](auto task) {
            asio::co_spawn(io, std::move(task), [](std::exception_ptr e) {
                if (e) std::rethrow_exception(e);
            });
            io.restart();
            io.run();
        };
        run([&]() -> asio::awaitable<void> {
            const auto worker = value_or_raise(co_await store.join("w"));
            const auto membership = value_or_raise(co_await store.renew(worker, 10s));
            const auto claimed = value_or_raise(co_await store.claim(worker, membership.shards, 10s));
            const auto made = value_or_raise(co_await store.start({.id = "c", .name = "count", .input = {}}));
            const auto shard = claimed.at(static_cast<std::size_t>(shard_of("c")));
            Committer committer(io.get_executor(), store, clock, worker);
            store.lose = lose;
            const auto count = [&](const Result<TurnReceipt>& receipt) {
                if (receipt && ++done == 2) committer.stop();
            };
            // Nobody knows this message any more: it was read once more while another turn consumed it.
            committer.submit({{.id = "c", .consumed = {made.start_message + 1000}}, shard, {}, count});
            committer.submit({{.key = made.key,
                               .id = "c",
                               .rows = {{1, 1, R"([{"kind":"started"}])"}},
                               .version = 1,
                               .execution = 1,
                               .next_event = 2},
                              shard,
                              {},
                              count});
            co_await committer.run();
            CHECK(done == 2);
            CHECK(value_or_raise(co_await store.load_history(made.key, 1)).size() == 1);
        }());
    }
}
