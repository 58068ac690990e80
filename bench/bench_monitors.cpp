// Ten thousand monitors, each of which looks every 30 seconds for as long as it lives: what they cost a process and its
// PostgreSQL; and what as many orchestrations cost that wait for nothing but a signal. Beside the same two, idle.
#include "base/log.hpp"
#include "support/measure.hpp"
#include "support/runtime_world.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace toygres::bench {
namespace {

using namespace toygres::runtime;
using namespace std::chrono_literals;

struct Options {
    int monitors = 10'000;
    int interval_s = 30;
    int seconds = 60;
};

struct Place {
    std::int64_t number;
    std::int64_t interval_ms;
    std::int64_t first_ms;  // until the first look: they are spread over the interval
};
BOOST_DESCRIBE_STRUCT(Place, (), (number, interval_ms, first_ms))

struct Look {
    static constexpr std::string_view name = "look";
    using Input = Place;
    using Output = Nothing;
    static inline std::int64_t count = 0;
    static asio::awaitable<Nothing> run(ActivityContext&, Place) {
        ++count;
        co_return Nothing();
    }
};

struct Monitor {
    static constexpr std::string_view name = "monitor";
    static constexpr int version = 1;
    using Input = Place;
    using Output = Nothing;
    static Task<Nothing> run(OrchestrationContext& ctx, Place in) {
        co_await ctx.sleep(milliseconds(in.first_ms));
        in.first_ms = in.interval_ms;
        while (ctx.history_size() < 200) {
            co_await ctx.call<Look>(in);
            co_await ctx.sleep(milliseconds(in.interval_ms));
        }
        in.first_ms = 0;
        ctx.continue_as_new(in);
    }
};

struct Waiter {
    static constexpr std::string_view name = "waiter";
    static constexpr int version = 1;
    using Input = Place;
    using Output = Nothing;
    static Task<Nothing> run(OrchestrationContext& ctx, Place) { co_return co_await ctx.wait<Nothing>("never"); }
};

struct Use {
    double own_cpu_s;
    double server_cpu_s;
    double commits;
    double wal_bytes;
};

// The counters of commits are handed in by each session, some time after.
Use use_so_far(const test::PostgresServer& server) {
    pqxx::connection connection(server.conninfo());
    pqxx::nontransaction work(connection);
    const auto row = work.exec1(
        "SELECT xact_commit, pg_current_wal_lsn() - '0/0' FROM pg_stat_database WHERE datname = current_database()");
    return {own_cpu_s(), tree_cpu_s(server.pid()), row[0].as<double>(), row[1].as<double>()};
}

template <class O> void start_all(World& world, const Options& options, const std::string& prefix) {
    int started = 0;
    const std::int64_t interval = options.interval_s * 1000LL;
    for (int i = 0; i < options.monitors; ++i)
        asio::co_spawn(
            world.io,
            world.client.start<O>(fmt::format("{}-{}", prefix, i),
                                  {.number = i, .interval_ms = interval, .first_ms = interval * i / options.monitors}),
            [&](std::exception_ptr, const Result<StartOutcome>& outcome) { started += outcome ? 1 : 0; });
    world.run_until([&] { return started == options.monitors; });
    world.run_for(15s);  // sessions hand in what they have counted when they have been idle for 10 s
}

void measure(World& world, const test::PostgresServer& server, const Options& options, Report& report,
             const std::string& what) {
    const auto looks = Look::count;
    const auto before = use_so_far(server);
    const auto began = SteadyClock::now();
    world.run_for(std::chrono::seconds(options.seconds));
    const double took = seconds_since(began);
    const auto after = use_so_far(server);
    report.figure(what + "_process_cpu_percent", 100 * (after.own_cpu_s - before.own_cpu_s) / took, "of one core");
    report.figure(what + "_postgres_cpu_percent", 100 * (after.server_cpu_s - before.server_cpu_s) / took,
                  "of one core");
    report.figure(what + "_commits_per_s", (after.commits - before.commits) / took, "transactions of any kind");
    report.figure(what + "_wal_kb_per_s", (after.wal_bytes - before.wal_bytes) / took / 1e3, "");
    if (what == "monitors") report.figure(what + "_looks_per_s", static_cast<double>(Look::count - looks) / took, "");
}

void run(const Options& options) {
    Report report(fmt::format("{} orchestrations that live on", options.monitors));
    test::PostgresServer server;
    log::to_file(server.directory() + "/toygres.log");
    World world(server.conninfo(), [](World& w) {
        w.orchestrations.add<Monitor>();
        w.orchestrations.add<Waiter>();
        w.activities.add<Look>();
    });
    world.start();
    report.heading("floor: a process and its PostgreSQL with nothing to do");
    measure(world, server, options, report, "floor");
    report.heading("each waits for a signal that does not come");
    start_all<Waiter>(world, options, "waiter");
    measure(world, server, options, report, "waiting");
    report.heading(fmt::format("as many more, each of which looks every {} s", options.interval_s));
    start_all<Monitor>(world, options, "monitor");
    measure(world, server, options, report, "monitors");
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of monitors; ends with one line of JSON");
    app.add_option("--monitors", options.monitors)->check(CLI::Range(1, 1'000'000))->capture_default_str();
    app.add_option("--interval", options.interval_s, "seconds")->check(CLI::Range(1, 3600))->capture_default_str();
    app.add_option("--seconds", options.seconds, "of each measurement")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_monitors: {}\n", toygres::current_error().message);
        return 1;
    }
}
