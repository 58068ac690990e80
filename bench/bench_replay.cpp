// How fast a recorded history becomes a live orchestration again: the replay alone, with the reading of its text, and
// from PostgreSQL; beside what reading the same text and nothing else takes.
#include "base/log.hpp"
#include "support/measure.hpp"
#include "support/runtime_world.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace toygres::bench {
namespace {

using namespace toygres::runtime;

constexpr std::size_t payload_bytes = 256;

struct Payload {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Payload, (), (text))

struct Echo {
    static constexpr std::string_view name = "echo";
    using Input = Payload;
    using Output = Payload;
};

struct Chain {
    static constexpr std::string_view name = "chain";
    static constexpr int version = 1;
    using Input = Payload;
    using Output = Payload;
    static Task<Payload> run(OrchestrationContext& ctx, Payload in) {
        for (;;) in = co_await ctx.call<Echo>(std::move(in));
    }
};

struct Options {
    int events = 10'000;
    int runs = 50;
};

const Identity identity{"bench", 1, 1};

struct Recorded {
    std::vector<runtime::Event> events;
    std::vector<std::string> turns;  // as stored
};

// What the runtime records for so many events of sequential activities.
Recorded record(const OrchestrationType& type, int events) {
    const auto payload = encode(Payload{std::string(payload_bytes, 'x')});
    Recorded out;
    Execution execution(type, identity);
    const auto take = [&] {
        auto fresh = execution.take_new_events();
        out.turns.push_back(events_to_text(fresh, 0));
        std::ranges::move(fresh, std::back_inserter(out.events));
    };
    execution.deliver({.kind = EventKind::started, .payload = payload, .at = now()});
    take();
    while (std::ssize(out.events) < events) {
        execution.deliver({.kind = EventKind::activity_completed,
                           .of = execution.next_position() - 1,
                           .payload = payload,
                           .at = now()});
        take();
    }
    return out;
}

std::vector<runtime::Event> parsed(const std::vector<std::string>& turns) {
    std::vector<runtime::Event> out;
    for (const auto& text : turns)
        std::ranges::move(value_or_raise(events_from_text(text, std::ssize(out) + 1)), std::back_inserter(out));
    return out;
}

template <class Work> std::vector<double> seconds_of(int runs, const Work& work) {
    std::vector<double> out;
    for (int i = 0; i < runs; ++i) {
        const auto began = SteadyClock::now();
        work();
        out.push_back(seconds_since(began));
    }
    return out;
}

void run(const Options& options) {
    Report report(
        fmt::format("Replay of {} events with payloads of {} bytes, on one core", options.events, payload_bytes));
    OrchestrationRegistry registry;
    registry.add<Chain>();
    const auto& type = *registry.latest(Chain::name);
    const auto recorded = record(type, options.events);
    const auto count = static_cast<double>(recorded.events.size());
    const auto replay = [&](std::vector<runtime::Event> events) {
        Execution execution(type, identity);
        value_or_raise(execution.replay(std::move(events)));
    };

    report.heading("in memory");
    std::vector<std::vector<runtime::Event>> copies(static_cast<std::size_t>(options.runs), recorded.events);
    const auto alone = seconds_of(options.runs, [&] {
        replay(std::move(copies.back()));
        copies.pop_back();
    });
    report.figure("replay_events_per_s", count / percentile(alone, 0.5), "recorded events to a live orchestration");
    const auto with_text = seconds_of(options.runs, [&] { replay(parsed(recorded.turns)); });
    report.figure("replay_of_text_events_per_s", count / percentile(with_text, 0.5), "from the stored text");

    test::PostgresServer server;
    log::to_file(server.directory() + "/toygres.log");
    World world(server.conninfo(), [](World&) {});
    {
        pqxx::connection connection(server.conninfo());
        pqxx::work work(connection);
        work.exec("SET LOCAL search_path = toygres_cms");
        work.exec("INSERT INTO orchestrations (id, shard, name, input) VALUES ('bench', 0, 'chain', '{}')");
        auto first = std::size_t{1};
        for (const auto& turn : recorded.turns) {
            work.exec_params("INSERT INTO history (key, execution, first_event, events) VALUES (1, 1, $1, $2)", first,
                             turn);
            first += parsed({turn}).size();
        }
        work.commit();
    }
    const auto load = [&] { return value_or_raise(test::run(world.io, world.store.load_history(1, 1))); };
    report.heading("cold: from PostgreSQL on this machine");
    const auto reading = seconds_of(options.runs, load);
    report.figure("floor_read_ms", 1e3 * percentile(reading, 0.5), "the text of it, and nothing else");
    const auto cold = seconds_of(options.runs, [&] { replay(parsed(load())); });
    report.figure("cold_load_p50_ms", 1e3 * percentile(cold, 0.5), "until it stands where it stood");
    report.figure("cold_load_p99_ms", 1e3 * percentile(cold, 0.99), fmt::format("of {}", options.runs));
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of replay; ends with one line of JSON");
    app.add_option("--events", options.events)->check(CLI::Range(10, 49'000))->capture_default_str();
    app.add_option("--runs", options.runs)->check(CLI::Range(1, 10'000))->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_replay: {}\n", toygres::current_error().message);
        return 1;
    }
}
