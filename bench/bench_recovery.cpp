// kill -9 of a process with many open orchestrations: how long until another one, which stands by, runs the first of
// them, and until everything that was under way is under way again; beside reading the same rows and nothing else.
#include "base/log.hpp"
#include "support/measure.hpp"
#include "support/runtime_world.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

#include <csignal>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::bench {
namespace {

using namespace toygres::runtime;
using namespace std::chrono_literals;

struct Options {
    int open = 10'000;
    int in_flight = 1'000;
    int runs = 5;
    std::string victim_of;  // conninfo: this process is the one to be killed
};

int activities_begun = 0;

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

// Takes longer than any of this.
struct Work {
    static constexpr std::string_view name = "work";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext&, Number in) {
        ++activities_begun;
        asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
        co_await never.async_wait(use);
        co_return in;
    }
};

struct Worker {
    static constexpr std::string_view name = "worker";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_return co_await ctx.call<Work>(in, {.start_to_close = milliseconds(3'600'000)});
    }
};

struct Waiter {
    static constexpr std::string_view name = "waiter";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number) { co_return co_await ctx.wait<Number>("never"); }
};

const HostOptions all_at_once{.activities_max = 100'000};

void define(World& world) {
    world.orchestrations.add<Worker>();
    world.orchestrations.add<Waiter>();
    world.activities.add<Work>();
}

[[noreturn]] void be_the_victim(const std::string& conninfo) {
    log::to_file("/dev/null");
    World world(conninfo, define, all_at_once);
    world.start();
    for (;;) world.io.run_one();
}

pid_t spawn_victim(const std::string& conninfo) {
    auto self = std::filesystem::read_symlink("/proc/self/exe").string();
    std::string flag = "--victim-of";
    std::string value = conninfo;
    char* const argv[] = {self.data(), flag.data(), value.data(), nullptr};
    pid_t pid = 0;
    if (::posix_spawn(&pid, self.c_str(), nullptr, nullptr, argv, environ) != 0)
        raise(ErrorKind::internal, "spawn_failed", "the process to be killed did not start");
    return pid;
}

std::int64_t count(const std::string& conninfo, const std::string& query) {
    pqxx::connection connection(conninfo);
    return pqxx::nontransaction(connection).exec1(query)[0].as<std::int64_t>();
}

struct Recovery {
    double first_ms;
    double all_ms;
};

Recovery measure(const Options& options, const std::string& conninfo, const std::string& prefix) {
    World world(conninfo, define, all_at_once);
    const auto victim = spawn_victim(conninfo);
    for (int i = 0; i < options.open; ++i) {
        const auto id = fmt::format("{}-{}", prefix, i);
        auto begun = i < options.in_flight ? world.client.start<Worker>(id, {.value = i})
                                           : world.client.start<Waiter>(id, {.value = i});
        asio::co_spawn(world.io, std::move(begun), [](std::exception_ptr e, const Result<StartOutcome>& outcome) {
            if (e) std::rethrow_exception(e);
            if (!outcome) throw ErrorException(outcome.error());
        });
    }
    const auto waiting = fmt::format("SELECT count(*) FROM {}.orchestrations WHERE next_event > 2", schema);
    while (count(conninfo, waiting) < options.open) world.run_for(100ms);

    ::kill(victim, SIGKILL);
    const auto killed = SteadyClock::now();
    ::waitpid(victim, nullptr, 0);
    activities_begun = 0;
    world.started = true;
    asio::co_spawn(world.io, world.host.start(), asio::detached);
    world.run_until([] { return activities_begun > 0; });
    const auto first = 1e3 * seconds_since(killed);
    world.run_until([&] { return activities_begun == options.in_flight; });
    return {first, 1e3 * seconds_since(killed)};
}

double floor_ms(const std::string& conninfo) {
    pqxx::connection connection(conninfo);
    pqxx::nontransaction work(connection);
    const auto began = SteadyClock::now();
    work.exec(fmt::format("SELECT * FROM {}.orchestrations WHERE finished_at IS NULL", schema));
    work.exec(fmt::format("SELECT * FROM {}.history", schema));
    return 1e3 * seconds_since(began);
}

void run(const Options& options) {
    Report report(
        fmt::format("Takeover of {} open orchestrations, {} of them with an activity under way, after kill -9",
                    options.open, options.in_flight));
    std::vector<double> first;
    std::vector<double> all;
    std::vector<double> floor;
    for (int i = 0; i < options.runs; ++i) {
        test::PostgresServer server;
        log::to_file(server.directory() + "/toygres.log");
        const auto [first_ms, all_ms] = measure(options, server.conninfo(), fmt::format("r{}", i));
        first.push_back(first_ms);
        all.push_back(all_ms);
        floor.push_back(floor_ms(server.conninfo()));
    }
    report.heading("floor: all rows and histories read once");
    report.figure("floor_read_p50_ms", percentile(floor, 0.5), "");
    report.heading("from the kill");
    report.figure("first_p50_ms", percentile(first, 0.5), "the first activity runs again");
    report.figure("first_max_ms", percentile(first, 1), fmt::format("of {}", options.runs));
    report.figure("all_p50_ms", percentile(all, 0.5), "every activity runs again");
    report.figure("all_max_ms", percentile(all, 1), fmt::format("of {}", options.runs));
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of recovery; ends with one line of JSON");
    app.add_option("--open", options.open)->check(CLI::Range(1, 1'000'000))->capture_default_str();
    app.add_option("--in-flight", options.in_flight)->check(CLI::Range(1, 100'000))->capture_default_str();
    app.add_option("--runs", options.runs)->check(CLI::Range(1, 1000))->capture_default_str();
    app.add_option("--victim-of", options.victim_of)->group("");
    CLI11_PARSE(app, argc, argv);
    try {
        if (!options.victim_of.empty()) toygres::bench::be_the_victim(options.victim_of);
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_recovery: {}\n", toygres::current_error().message);
        return 1;
    }
}
