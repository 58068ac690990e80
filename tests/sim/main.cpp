// The simulation's program: many seeds, one seed in full, the planted faults, and that a seed is always the same run.
#include "jobs.hpp"
#include "runtime/core/planted.hpp"
#include "simulation.hpp"

#include <CLI/CLI.hpp>

#include <thread>

using namespace toygres;
using namespace toygres::sim;

namespace {

struct Arguments {
    std::uint64_t seed = 1;
    std::uint64_t seeds = 1000;
    int jobs = 2;
    std::string fault = "none";
    bool trace = false;
};

std::string describe(std::uint64_t seed, const RunReport& report, std::string_view fault) {
    std::string out;
    for (const auto& line : report.last_lines) out += line + "\n";
    out += fmt::format("seed {} breaks: {}\n  {}\n", seed, report.broken->check, report.broken->words);
    const auto with = fault == "none" ? "" : fmt::format(" --fault {}", fault);
    return out + fmt::format("reproduce: ./dev sim --seed {} --seeds 1{} --trace\n", seed, with);
}

// The whole of one seed.
int run_one(const Arguments& arguments) {
    const auto report = run_seed(arguments.seed, {.lines_kept = arguments.trace ? 10'000'000UL : 60UL});
    if (arguments.trace && !report.broken)
        for (const auto& line : report.last_lines) fmt::print("{}\n", line);
    if (report.broken) {
        fmt::print("{}", describe(arguments.seed, report, arguments.fault));
        return 1;
    }
    fmt::print("seed {}: {} lines of trace, digest {:016x}\n", arguments.seed, report.lines, report.digest);
    for (const auto& [id, outcome] : report.outcomes) fmt::print("  {} {}\n", id, encode(outcome).dump());
    return 0;
}

int run_seeds(const Arguments& arguments) {
    std::uint64_t told = 0;
    const auto found = run_jobs(
        arguments.seeds, arguments.jobs, true,
        [&](std::uint64_t i) {
            const auto report = run_seed(arguments.seed + i, {});
            return report.broken ? describe(arguments.seed + i, report, "none") : std::string();
        },
        [&](std::uint64_t done) {
            const auto step = std::max<std::uint64_t>(arguments.seeds / 10, 1);
            if (done / step == told / step && done != arguments.seeds) return;
            if (done == told) return;
            told = done;
            fmt::print("{} of {} seeds\n", done, arguments.seeds);
            std::fflush(stdout);
        });
    if (found.empty()) {
        fmt::print("all {} seeds from {} keep every check\n", arguments.seeds, arguments.seed);
        return 0;
    }
    fmt::print("{}\n", found.front().words);
    fmt::print("the seed was {}\n", arguments.seed + found.front().item);
    return 1;
}

// The first seed that finds a planted fault, and by which check.
std::string hunt(Fault fault, const Arguments& arguments) {
    planted_fault = fault;
    for (auto seed = arguments.seed; seed < arguments.seed + arguments.seeds; ++seed)
        if (const auto report = run_seed(seed, {.lines_kept = 1}); report.broken)
            return fmt::format("found by seed {}: {}", seed, report.broken->check);
    return {};
}

int find_planted(const Arguments& arguments) {
    std::vector<Fault> faults;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<Fault>>([&](auto entry) {
        if (entry.value != Fault::none) faults.push_back(entry.value);
    });
    const auto found = run_jobs(
        faults.size(), arguments.jobs, false, [&](std::uint64_t i) { return hunt(faults[i], arguments); },
        [](std::uint64_t) {});
    bool all = true;
    for (std::size_t i = 0; i < faults.size(); ++i) {
        const auto by = std::ranges::find(found, i, &Finding::item);
        all = all && by != found.end();
        fmt::print("{:<32} {}\n", enum_name(faults[i]),
                   by == found.end() ? fmt::format("NOT FOUND within {} seeds", arguments.seeds) : by->words);
    }
    return all ? 0 : 1;
}

int check_repeats(const Arguments& arguments) {
    for (auto seed = arguments.seed; seed < arguments.seed + arguments.seeds; ++seed)
        for (const bool faults : {false, true}) {
            const auto first = Simulation(seed, {.faults = faults}).run();
            const auto second = Simulation(seed, {.faults = faults}).run();
            if (first.digest == second.digest && first.lines == second.lines) continue;
            fmt::print("seed {} {} faults is not the same run twice\n", seed, faults ? "with" : "without");
            return 1;
        }
    fmt::print("{} seeds, with and without faults: the same trace twice\n", arguments.seeds);
    return 0;
}

int dispatch(const Arguments& arguments, const CLI::App& app) {
    if (app.got_subcommand("planted")) return find_planted(arguments);
    if (app.got_subcommand("repeats")) return check_repeats(arguments);
    const auto fault = enum_from<Fault>(arguments.fault);
    if (!fault) {
        fmt::print(stderr, "no planted fault is called {}\n", arguments.fault);
        return 2;
    }
    planted_fault = *fault;
    return arguments.seeds == 1 ? run_one(arguments) : run_seeds(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    log::set_level(log::Level::off);
    Arguments arguments;
    arguments.jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    CLI::App app("Runs the durable runtime in a simulation: several processes, one thread, virtual time, faults.");
    app.add_option("--seed", arguments.seed, "the first seed")->capture_default_str();
    app.add_option("--seeds", arguments.seeds, "how many; 1: tell how each orchestration ended")->capture_default_str();
    app.add_option("--jobs", arguments.jobs, "processes to spread them over")->capture_default_str();
    app.add_option("--fault", arguments.fault, "a planted fault to switch on");
    app.add_flag("--trace", arguments.trace, "with one seed: all that happened");
    app.add_subcommand("planted", "looks for the first seed that finds each planted fault")->fallthrough();
    app.add_subcommand("repeats", "runs seeds twice and compares their traces")->fallthrough();
    CLI11_PARSE(app, argc, argv);
    return dispatch(arguments, app);
}
