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

// A memory store whose commits and inbox reads wait at a gate, or lose their answers.
class AwkwardStore : public MemoryStore {
  public:
    using MemoryStore::MemoryStore;
    bool hold_commits = false;
    bool hold_reads = false;
    int held_commits = 0;
    int held_reads = 0;

    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override {
        co_await held(hold_commits, held_commits);
        co_return co_await MemoryStore::commit(fence, number, turns);
    }
    asio::awaitable<Result<std::vector<Message>>> load_inbox(std::vector<int> shards) override {
        auto out = co_await MemoryStore::load_inbox(std::move(shards));
        co_await held(hold_reads, held_reads);
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

TEST_CASE("inbox: a message read while its turn commits is delivered once") {
    log::set_level("error");
    World world(StoreKind::memory, false);
    world.orchestrations.add<Count>();
    AwkwardStore* store = nullptr;
    world.make_memory_store = [&](auto executor, auto database) {
        auto made = std::make_unique<AwkwardStore>(executor, database);
        store = made.get();
        return made;
    };
    world.start_process();
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
            committer.submit({{.id = "c", .consumed = {made.start_message + 1000}}, shard, count});
            committer.submit({{.key = made.key,
                               .id = "c",
                               .rows = {{1, 1, R"([{"kind":"started"}])"}},
                               .version = 1,
                               .execution = 1,
                               .next_event = 2},
                              shard,
                              count});
            co_await committer.run();
            CHECK(done == 2);
            CHECK(value_or_raise(co_await store.load_history(made.key, 1)).size() == 1);
        }());
    }
}
