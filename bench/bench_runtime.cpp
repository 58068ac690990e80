// How many durable orchestrations a second the runtime carries on a PostgreSQL with default settings (fsync on), and
// how long one takes, beside what the same server does with bare commits in the same run.
#include "base/log.hpp"
#include "support/measure.hpp"
#include "support/runtime_world.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

namespace toygres::bench {
namespace {

using namespace toygres::runtime;
using namespace std::chrono_literals;

constexpr std::size_t payload_bytes = 256;

struct Options {
    int seconds = 15;
    int warm_up_seconds = 4;
    int in_flight = 256;
    int big = 10'000;
};

struct Payload {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Payload, (), (text))

struct Echo {
    static constexpr std::string_view name = "echo";
    using Input = Payload;
    using Output = Payload;
    static asio::awaitable<Payload> run(ActivityContext&, Payload in) { co_return in; }
};

template <int steps> struct Chain {
    static constexpr std::string_view name = steps == 1 ? "one_step" : "five_steps";
    static constexpr int version = 1;
    using Input = Payload;
    using Output = Payload;
    static Task<Payload> run(OrchestrationContext& ctx, Payload in) {
        for (int i = 0; i < steps; ++i) in = co_await ctx.call<Echo>(std::move(in));
        co_return in;
    }
};

struct Parallel {
    static constexpr std::string_view name = "five_at_once";
    static constexpr int version = 1;
    using Input = Payload;
    using Output = Payload;
    static Task<Payload> run(OrchestrationContext& ctx, Payload in) {
        std::vector<Future<Payload>> all;
        for (int i = 0; i < 5; ++i) all.push_back(ctx.call<Echo>(in));
        co_return (co_await ctx.all(std::move(all))).front();
    }
};

struct Count {
    int value;
};
BOOST_DESCRIBE_STRUCT(Count, (), (value))

// One after the other, and how long each thousand took by the times that it recorded, in ms.
struct Long {
    static constexpr std::string_view name = "long";
    static constexpr int version = 1;
    using Input = Count;
    using Output = std::vector<std::int64_t>;
    static Task<Output> run(OrchestrationContext& ctx, Count in) {
        Output out;
        const Payload payload{std::string(payload_bytes, 'x')};
        auto began = ctx.now();
        for (int i = 1; i <= in.value; ++i) {
            co_await ctx.call<Echo>(payload);
            if (i % 1000 == 0) {
                out.push_back((ctx.now() - began).count());
                began = ctx.now();
            }
        }
        co_return out;
    }
};

struct FanIn {
    static constexpr std::string_view name = "fan_in";
    static constexpr int version = 1;
    using Input = Count;
    using Output = Count;
    static Task<Count> run(OrchestrationContext& ctx, Count in) {
        std::vector<Future<Payload>> all;
        for (int i = 0; i < in.value; ++i) all.push_back(ctx.call<Echo>(Payload{std::to_string(i)}));
        co_return Count{static_cast<int>((co_await ctx.all(std::move(all))).size())};
    }
};

// Letters at random: what repeats itself would be compressed in the database.
Payload some_payload() {
    static std::mt19937 random(1);
    std::string text(payload_bytes, ' ');
    for (auto& c : text) c = static_cast<char>('a' + random() % 26);
    return {text};
}

// Starts one and waits for its result; anything but success ends the benchmark.
template <class O> asio::awaitable<void> run_one(Client& client, std::string id) {
    value_or_raise(co_await client.start<O>(id, some_payload()));
    const auto row = value_or_raise(co_await client.wait(id, 60s));
    if (row.status != Status::completed) raise(ErrorKind::internal, "orchestration_failed", id + " did not complete");
}

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

// Closed loop: as soon as one ends, the next begins.
template <class O> struct Load {
    World& world;
    bool stopping = false;
    int lanes = 0;
    std::int64_t next = 0;
    std::int64_t finished = 0;

    asio::awaitable<void> lane() {
        while (!stopping) {
            co_await run_one<O>(world.client, fmt::format("{}-{}", O::name, next++));
            ++finished;
        }
        --lanes;
    }
    void begin(int in_flight) {
        for (; lanes < in_flight; ++lanes) asio::co_spawn(world.io, lane(), rethrow);
    }
    void drain() {
        stopping = true;
        while (lanes > 0) world.io.run_one();
    }
};

// What three commits of one row take, one after the other, begun by the clock while the server does nothing else: a
// start, what is to be done, what came of it.
std::vector<double> floor_latencies_ms(const test::PostgresServer& server, double per_s, std::chrono::seconds time) {
    pqxx::connection connection(server.conninfo());
    connection.prepare("floor", "INSERT INTO floor (payload) VALUES (repeat('x', 256))");
    std::vector<double> out;
    const auto began = SteadyClock::now();
    const auto gap = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(1 / per_s));
    for (auto due = began; due < began + time; due += gap) {
        std::this_thread::sleep_until(due);
        for (int i = 0; i < 3; ++i) pqxx::nontransaction(connection).exec_prepared("floor");
        out.push_back(seconds_since(due) * 1e3);
    }
    return out;
}

// Open loop: begun by the clock, whether or not those before have ended; so a stall is seen by all that meet it.
std::vector<double> latencies_ms(World& world, double per_s, std::chrono::seconds time) {
    std::vector<double> out;
    int open = 0;
    const auto one = [](World& w, std::int64_t n, std::vector<double>& results) -> asio::awaitable<void> {
        const auto began = SteadyClock::now();
        co_await run_one<Chain<1>>(w.client, fmt::format("single-{}", n));
        results.push_back(seconds_since(began) * 1e3);
    };
    const auto began = SteadyClock::now();
    const auto gap = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(1 / per_s));
    for (std::int64_t n = 0;; ++n) {
        const auto due = began + n * gap;
        if (due > began + time) break;
        while (SteadyClock::now() < due) world.io.run_one_until(due);
        ++open;
        asio::co_spawn(world.io, one(world, n, out), [&open](std::exception_ptr failure) {
            rethrow(failure);
            --open;
        });
    }
    while (open > 0) world.io.run_one();
    return out;
}

// Commits of one row each by pgbench on the same server, while it does nothing else.
double floor_commits_per_s(const test::PostgresServer& server, int clients) {
    const auto script = server.directory() + "/floor.sql";
    std::ofstream(script) << "INSERT INTO floor (payload) VALUES (repeat('x', 256));\n";
    pqxx::connection connection(server.conninfo());
    pqxx::nontransaction(connection).exec("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, payload text)");
    const auto bin = std::filesystem::canonical(fmt::format("/proc/{}/exe", server.pid())).parent_path().string();
    const auto out = output_of(
        fmt::format("{}/pgbench -n -M prepared -c {} -j 1 -T 4 -f {} '{}'", bin, clients, script, server.conninfo()));
    const auto at = out.find("tps = ");
    if (at == std::string::npos) raise(ErrorKind::internal, "command_failed", "pgbench printed no tps");
    return std::stod(out.substr(at + 6));
}

struct Volumes {
    double wal_bytes;
    double history_bytes;
};
Volumes volumes(const test::PostgresServer& server) {
    pqxx::connection connection(server.conninfo());
    pqxx::work work(connection);
    const auto row =
        work.exec1(fmt::format("SELECT pg_current_wal_lsn() - '0/0', pg_total_relation_size('{}.history')", schema));
    return {row[0].as<double>(), row[1].as<double>()};
}

// Orchestrations a second.
template <class O>
double throughput(World& world, const test::PostgresServer& server, const Options& options, Report& report,
                  const std::string& key, double floor_commits_per_s) {
    Load<O> load{world};
    load.begin(options.in_flight);
    world.run_for(std::chrono::seconds(options.warm_up_seconds));
    const auto volumes_before = volumes(server);
    const double server_before = tree_cpu_s(server.pid());
    const double own_before = own_cpu_s();
    const auto finished_before = load.finished;
    const auto began = SteadyClock::now();
    world.run_for(std::chrono::seconds(options.seconds));
    const double elapsed_s = seconds_since(began);
    const double server_cpu_s = tree_cpu_s(server.pid()) - server_before;
    const double own_s = own_cpu_s() - own_before;
    const auto count = static_cast<double>(load.finished - finished_before);
    const auto volumes_after = volumes(server);
    load.drain();
    const double per_s = count / elapsed_s;
    report.figure(key + "_per_s", per_s, "started, 5 activities, result read");
    report.figure(key + "_ratio_to_floor", per_s / floor_commits_per_s, "orchestrations per commit of 8 clients");
    report.figure(key + "_postgres_cpu_percent", 100 * server_cpu_s / elapsed_s, "of one core");
    report.figure(key + "_process_cpu_percent", 100 * own_s / elapsed_s, "of one core");
    report.figure(key + "_wal_bytes", (volumes_after.wal_bytes - volumes_before.wal_bytes) / count, "for each");
    report.figure(key + "_history_bytes", (volumes_after.history_bytes - volumes_before.history_bytes) / count,
                  "for each: table, TOAST and index");
    return per_s;
}

template <class O> typename O::Output run_big(World& world, const std::string& id, int size) {
    return test::run(world.io, [](World& w, std::string of, int n) -> asio::awaitable<typename O::Output> {
        value_or_raise(co_await w.client.start<O>(of, Count{n}));
        const auto row = value_or_raise(co_await w.client.wait(of, 600s));
        if (row.status != Status::completed) raise(ErrorKind::internal, "orchestration_failed", row.error.dump());
        co_return decode<typename O::Output>(row.output);
    }(world, id, size));
}

void big_ones(World& world, const Options& options, Report& report) {
    report.heading(fmt::format("one orchestration of {} activities, nothing beside it", options.big));
    auto began = SteadyClock::now();
    const auto thousands_ms = run_big<Long>(world, "long", options.big);
    report.figure("sequential_activities_per_s", options.big / seconds_since(began), "one after the other");
    report.figure("sequential_first_thousand_per_s", 1e6 / static_cast<double>(thousands_ms.front()), "");
    report.figure("sequential_last_thousand_per_s", 1e6 / static_cast<double>(thousands_ms.back()), "");
    began = SteadyClock::now();
    run_big<FanIn>(world, "fan-in", options.big);
    report.figure("fan_in_s", seconds_since(began), "all at once, until the last is in");
}

void run(const Options& options) {
    Report report("Durable runtime: orchestrations of activities with payloads of 256 bytes, beside PostgreSQL");
    test::PostgresServer server;
    log::to_file(server.directory() + "/toygres.log");

    report.heading("floor: single-row commits of this PostgreSQL (pgbench)");
    report.figure("floor_commits_per_s", floor_commits_per_s(server, 1), "1 client");
    const double floor_8 = floor_commits_per_s(server, 8);
    report.figure("floor_commits_8_clients_per_s", floor_8, "8 clients");

    World world(server.conninfo(), [](World& w) {
        w.orchestrations.add<Chain<1>>();
        w.orchestrations.add<Chain<5>>();
        w.orchestrations.add<Parallel>();
        w.orchestrations.add<Long>();
        w.orchestrations.add<FanIn>();
        w.activities.add<Echo>();
    });
    world.start();
    report.heading(fmt::format("throughput: {} in flight for {} s", options.in_flight, options.seconds));
    const double per_s = throughput<Chain<5>>(world, server, options, report, "sequential", floor_8);
    throughput<Parallel>(world, server, options, report, "parallel", floor_8);

    const double open_per_s = std::max(1.0, per_s * 0.05);
    const auto floor_ms = floor_latencies_ms(server, open_per_s, 5s);
    const auto latencies = latencies_ms(world, open_per_s, std::chrono::seconds(std::max(5, options.seconds / 2)));
    report.heading(fmt::format("latency: one activity, start to result, {:.0f}/s begun by the clock", open_per_s));
    report.figure("floor_latency_p50_ms", percentile(floor_ms, 0.5), "three commits of one row, begun in the same way");
    report.figure("floor_latency_p99_ms", percentile(floor_ms, 0.99), "");
    report.figure("latency_p50_ms", percentile(latencies, 0.5), fmt::format("of {}", latencies.size()));
    report.figure("latency_p99_ms", percentile(latencies, 0.99), "");
    big_ones(world, options, report);
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of the durable runtime; ends with one line of JSON");
    app.add_option("--seconds", options.seconds, "of steady state")->check(CLI::Range(1, 3600))->capture_default_str();
    app.add_option("--warm-up", options.warm_up_seconds, "seconds before it")
        ->check(CLI::Range(0, 600))
        ->capture_default_str();
    app.add_option("--in-flight", options.in_flight, "orchestrations")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    app.add_option("--big", options.big, "activities of one orchestration")
        ->check(CLI::Range(1'000, 20'000))
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_runtime: {}\n", toygres::current_error().message);
        return 1;
    }
}
