#include "workload.hpp"

#include "runtime/core/orchestration_context.hpp"

#include <fmt/format.h>

#include <csignal>
#include <unistd.h>

namespace toygres::crash {

using namespace std::chrono_literals;

namespace {

// The database may be away for as long as it likes.
const RetryPolicy patient{.attempts = 0, .initial_delay = milliseconds(20), .delay_max = milliseconds(500)};

constexpr pg::Query note_run{
    "crash.note_run",
    "INSERT INTO runs SELECT $1, $2, $3, EXISTS (SELECT FROM orchestration_events WHERE orchestration = $1 AND "
    "execution = $2 AND event = $3 AND kind = 'activity_scheduled')"};
constexpr pg::Query note_deposit{"crash.deposit", "INSERT INTO deposits VALUES ($1, $2)"};

struct Chain {
    static constexpr std::string_view name = "chain";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        for (int i = 0; i < 4; ++i) {
            in = co_await ctx.call<Add>(in, patient);
            co_await ctx.transact<Deposit>(in);
        }
        co_return in;
    }
};

struct Fan {
    static constexpr std::string_view name = "fan";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        std::vector<Future<Number>> all;
        for (int i = 0; i < 8; ++i) all.push_back(ctx.call<Add>({i}, patient));
        const auto raced = co_await ctx.any(ctx.sleep(1h), ctx.sleep(10ms));
        for (const auto& done : co_await ctx.all(std::move(all))) in.value += done.value;
        co_return Number{in.value + static_cast<int>(raced.index)};
    }
};

// Children across continue-as-new.
struct Family {
    static constexpr std::string_view name = "family";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        auto a = ctx.child<Chain>(in);
        auto b = ctx.child<Fan>(in);
        const auto sum = (co_await std::move(a)).value + (co_await std::move(b)).value;
        if (ctx.execution() < 3) ctx.continue_as_new(Number{sum});
        co_return Number{sum};
    }
};

struct Collector {
    static constexpr std::string_view name = "collector";
    static constexpr int version = 1;
    using Input = Number;
    using Output = std::vector<int>;
    static Task<std::vector<int>> run(OrchestrationContext& ctx, Number) {
        std::vector<int> out;
        for (int i = 0; i < signals_of_collector; ++i) out.push_back((co_await ctx.wait<Number>("add")).value);
        co_return out;
    }
};

struct Sleeper {
    static constexpr std::string_view name = "sleeper";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        for (int i = 0; i < 5; ++i) co_await ctx.sleep(60ms);
        co_return in;
    }
};

struct Killer {
    static constexpr std::string_view name = "killer";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        in = co_await ctx.call<Add>(in, patient);
        if (const char* poison = std::getenv(poison_variable); poison != nullptr && ::access(poison, F_OK) == 0)
            ::raise(SIGKILL);
        co_return co_await ctx.call<Add>(in, patient);
    }
};

// Until it is cancelled; then it cleans up.
struct Cleaner {
    static constexpr std::string_view name = "cleaner";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        const auto waited = co_await ctx.attempt(ctx.wait<Number>("never"));
        auto shield = ctx.shield();
        co_await ctx.transact<Deposit>(in);
        co_await ctx.child<Chain>(in);
        throw ErrorException(waited.error());
    }
};

}  // namespace

asio::awaitable<Number> Add::run(ActivityContext& ctx, Number in) {
    const auto key = ctx.idempotency_key();
    const auto event = std::stoll(key.substr(key.rfind('/') + 1));
    value_or_raise(
        co_await ctx.service<pg::Pool>().execute(note_run, pg::params(ctx.orchestration(), ctx.execution(), event)));
    asio::steady_timer work(co_await asio::this_coro::executor, milliseconds(in.value % 7));
    co_await work.async_wait(use);
    co_return Number{in.value + 1};
}

asio::awaitable<Number> Deposit::run(StepContext& ctx, Number in) {
    value_or_raise(co_await ctx.sql().execute(note_deposit, pg::params(ctx.orchestration(), in.value)));
    co_return in;
}

void add_workload(OrchestrationRegistry& orchestrations, ActivityRegistry& activities) {
    orchestrations.add<Chain>();
    orchestrations.add<Fan>();
    orchestrations.add<Family>();
    orchestrations.add<Collector>();
    orchestrations.add<Sleeper>();
    orchestrations.add<Cleaner>();
    orchestrations.add<Killer>();
    activities.add<Add>();
    activities.add_step<Deposit>();
}

Expected expected(const std::string& type, int value) {
    const auto number = [](int n) { return Json{{"value", n}}; };
    const auto fan = [](int n) { return n + (1 + 8) * 8 / 2 + 1; };
    if (type == "chain") return {Status::completed, number(value + 4), 4};
    if (type == "fan") return {Status::completed, number(fan(value)), 0};
    if (type == "collector") {
        Json all = Json::array();
        for (int i = 0; i < signals_of_collector; ++i) all.push_back(i);
        return {Status::completed, all, 0};
    }
    if (type == "sleeper") return {Status::completed, number(value), 0};
    if (type == "cleaner") return {Status::cancelled, Json(), 1};
    for (int i = 0; i < 3; ++i) value = value + 4 + fan(value);
    return {Status::completed, number(value), 0};  // of the family; its children deposit for themselves
}

}  // namespace toygres::crash
