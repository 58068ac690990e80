// A million timers in one process: what they cost in memory, how late they go off, and how many durable ones that come
// due at once are answered a second; beside how late a bare timer of the same loop is.
#include "base/log.hpp"
#include "runtime/host/timer_queue.hpp"
#include "support/measure.hpp"
#include "support/runtime_world.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <fstream>
#include <malloc.h>
#include <unistd.h>

namespace toygres::bench {
namespace {

using namespace toygres::runtime;
using namespace std::chrono_literals;

struct Options {
    int timers = 1'000'000;
    int per_s = 5'000;
    int seconds = 10;
    int burst = 5'000;
};

double resident_mb() {
    std::ifstream statm("/proc/self/statm");
    double pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double late_ms(SteadyClock::time_point due) { return 1e3 * seconds_since(due); }

// How late one timer after the other of the bare loop is.
std::vector<double> floor_lateness(asio::io_context& io, int runs) {
    std::vector<double> out;
    asio::steady_timer timer(io);
    for (int i = 0; i < runs; ++i) {
        const auto due = SteadyClock::now() + 5ms;
        timer.expires_at(due);
        timer.async_wait([&](boost::system::error_code) { out.push_back(late_ms(due)); });
        io.restart();
        io.run();
    }
    return out;
}

void in_memory(const Options& options, Report& report) {
    asio::io_context io;
    SystemClock clock(io.get_executor());
    report.heading("floor: one timer of the loop at a time");
    report.figure("floor_lateness_p99_ms", percentile(floor_lateness(io, 200), 0.99), "");

    TimerQueue queue(clock);
    const double before = resident_mb();
    std::vector<double> lateness;
    const auto soon = options.per_s * options.seconds;
    lateness.reserve(static_cast<std::size_t>(soon));
    const auto began = SteadyClock::now();
    for (int i = soon; i < options.timers; ++i)
        queue.add(clock.now() + 1h + std::chrono::milliseconds(i % 86'400'000),
                  [&lateness] { lateness.push_back(1e9); });
    const double added_s = seconds_since(began);
    const auto start = clock.now() + 500ms;
    const auto start_steady = SteadyClock::now() + 500ms;
    for (int i = 0; i < soon; ++i) {
        const auto at = std::chrono::milliseconds(i * 1000LL / options.per_s);
        queue.add(start + at, [&lateness, due = start_steady + at] { lateness.push_back(late_ms(due)); });
    }
    const double held = resident_mb() - before;
    report.heading(fmt::format("{} timers, {} of them due within {} s", options.timers, soon, options.seconds));
    report.figure("memory_mb", held, "resident, for all of them");
    report.figure("added_per_s", options.timers / added_s, "");
    io.restart();
    while (std::ssize(lateness) < soon) io.run_one();
    report.figure("lateness_p50_ms", percentile(lateness, 0.5), "");
    report.figure("lateness_p99_ms", percentile(lateness, 0.99), fmt::format("at {}/s", options.per_s));
}

struct Due {
    std::int64_t at_ms;
};
BOOST_DESCRIBE_STRUCT(Due, (), (at_ms))

struct Sleeper {
    static constexpr std::string_view name = "sleeper";
    static constexpr int version = 1;
    using Input = Due;
    using Output = Nothing;
    static Task<Nothing> run(OrchestrationContext& ctx, Due in) {
        co_await ctx.sleep_until(Timestamp(std::chrono::milliseconds(in.at_ms)));
        co_return Nothing();
    }
};

void durable(const Options& options, Report& report) {
    test::PostgresServer server;
    log::to_file(server.directory() + "/toygres.log");
    World world(server.conninfo(), [](World& w) { w.orchestrations.add<Sleeper>(); });
    int finished = 0;
    world.host.on_finished = [&](const runtime::OrchestrationRow&, bool) { ++finished; };
    world.start();
    const auto due = world.clock.now() + 10s;
    int started = 0;
    for (int i = 0; i < options.burst; ++i)
        asio::co_spawn(
            world.io,
            world.client.start<Sleeper>(fmt::format("sleeper-{}", i), {.at_ms = due.time_since_epoch().count()}),
            [&](std::exception_ptr, Result<StartOutcome> outcome) { started += outcome.has_value() ? 1 : 0; });
    world.run_until([&] { return started == options.burst; });
    while (world.clock.now() < due) world.io.run_one_for(1ms);
    const auto began = SteadyClock::now();
    world.run_until([&] { return finished == options.burst; });
    const double took = seconds_since(began);
    report.heading(fmt::format("{} durable timers of as many orchestrations, due at the same moment", options.burst));
    report.figure("burst_per_s", options.burst / took, "fired, recorded, and their orchestrations ended");
}

void run(const Options& options) {
    Report report("Timers of the durable runtime");
    in_memory(options, report);
    ::malloc_trim(0);
    durable(options, report);
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of timers; ends with one line of JSON");
    app.add_option("--timers", options.timers)->check(CLI::Range(100'000, 10'000'000))->capture_default_str();
    app.add_option("--burst", options.burst)->check(CLI::Range(1, 100'000))->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_timers: {}\n", toygres::current_error().message);
        return 1;
    }
}
