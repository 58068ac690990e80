// A fleet of hollow instances under one control plane: a real server process on a real CMS, and members that speak
// just enough of PostgreSQL and of the agent to be healthy. What looking after them costs, how late the looks come, how
// soon all are watched again after a crash of the server, and how many creations at once it bears.
#include "base/crypto.hpp"
#include "fleet/control_plane.hpp"
#include "fleet/hollow_world.hpp"
#include "fleet/load.hpp"
#include "support/measure.hpp"
#include "support/postgres.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>

namespace toygres::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

struct Options {
    int instances = 200;
    int interval_s = 5;
    int seconds = 60;
    int burst = 100;
    int at_once = 32;
    bool keep = false;
    std::string program = (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "toygres").string();
};

double seconds_since(SteadyClock::time_point began) {
    return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

void say(const std::string& line) {
    fmt::print("  … {}\n", line);
    std::fflush(stdout);
}

// Sessions are files, and a fleet has more of them than a process may have by default.
void raise_file_limit() {
    rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

Sight& shared_sight() {
    void* place = ::mmap(nullptr, sizeof(Sight), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) raise(ErrorKind::internal, "no_memory", "no memory can be shared");
    return *new (place) Sight();
}

// A directory that goes with the benchmark.
struct Scratch {
    explicit Scratch(bool keep_it) : keep(keep_it) { fs::create_directories(path); }
    ~Scratch() {
        std::error_code ignored;
        if (!keep) fs::remove_all(path, ignored);
    }
    std::string path = (fs::temp_directory_path() / ("toygres-fleet-" + random_hex(8))).string();
    bool keep;
};

class Fleet {
  public:
    explicit Fleet(const Options& options)
        : options_(options),
          scratch_(options.keep),
          sight_(shared_sight()),
          world_(scratch_.path + "/cluster", sight_),
          control_plane_({options.program, cms_.conninfo(), world_.kubeconfig(), scratch_.path}) {
        sight_.interval_ms = options.interval_s * 1'000;
        if (options.keep) say("what it leaves is in " + scratch_.path);
    }

    void set_up(Report& report);
    void watch(Report& report);
    void restart(Report& report);
    void burst(Report& report);

  private:
    std::string interval() const { return fmt::format("{}s", options_.interval_s); }
    Load load() const { return load_of({cms_.conninfo(), control_plane_.pid(), cms_.pid(), world_.pid()}, sight_); }
    // Until so many instances run, with a line every few seconds. Throws when one fails.
    void wait_for_running(std::int64_t wanted);
    // How many have been looked at since, as the members saw it.
    std::int64_t asked_since(std::int64_t at_ns) const;

    Options options_;
    Scratch scratch_;
    Sight& sight_;
    HollowWorld world_;
    test::PostgresServer cms_;
    ControlPlane control_plane_;
    double memory_before_mb_ = 0;  // of the server, with nothing to look after
};

void Fleet::wait_for_running(std::int64_t wanted) {
    const auto deadline = SteadyClock::now() + 60min;
    for (auto told = SteadyClock::now();;) {
        control_plane_.require_alive();
        const auto states = states_of(cms_.conninfo());
        if (states.failed > 0)
            raise(ErrorKind::internal, "creation_failed", fmt::format("{} creations failed", states.failed));
        if (states.running >= wanted) return;
        if (SteadyClock::now() > deadline)
            raise(ErrorKind::timeout, "creation_timed_out", fmt::format("{} of {} run", states.running, wanted));
        if (SteadyClock::now() - told > 5s) {
            told = SteadyClock::now();
            say(fmt::format("{} of {} run", states.running, wanted));
        }
        std::this_thread::sleep_for(50ms);
    }
}

std::int64_t Fleet::asked_since(std::int64_t at_ns) const {
    const auto known = sight_.instance.begin() + sight_.instances;
    return std::count_if(sight_.instance.begin(), known, [&](const auto& i) { return i.asked_at_ns > at_ns; });
}

// Through the REST API, as everybody creates: so many requests that nobody waits, so few that none times out.
void Fleet::set_up(Report& report) {
    report.heading(fmt::format("set-up: {} instances of two members, through the REST API", options_.instances));
    const auto began = SteadyClock::now();
    const auto before = load();
    memory_before_mb_ = before.memory_mb;
    constexpr int batch = 200;
    std::vector<double> post_ms;
    for (int made = 0; made < options_.instances; made += batch) {
        std::vector<std::string> names;
        for (int n = made; n < std::min(made + batch, options_.instances); ++n)
            names.push_back(fmt::format("fleet-{}", n));
        const auto took_ms = control_plane_.create(names, interval(), static_cast<std::size_t>(options_.at_once));
        post_ms.insert(post_ms.end(), took_ms.begin(), took_ms.end());
        wait_for_running(made + static_cast<int>(names.size()));
        say(fmt::format("{} of {} run after {:.0f} s", made + static_cast<int>(names.size()), options_.instances,
                        seconds_since(began)));
    }
    const auto used = load() - before;
    report.figure("setup_s", seconds_since(began), "until all ran");
    report.figure("setup_post_p50_ms", percentile(post_ms, 0.5),
                  fmt::format("of a POST, by {} clients that ask again at once", options_.at_once));
    report.figure("setup_post_p99_ms", percentile(post_ms, 0.99), "");
    report.figure("create_server_cpu_ms", used.server_cpu_s / options_.instances * 1'000, "of the server, each");
}

void Fleet::watch(Report& report) {
    report.heading(fmt::format("{} instances, each looked at every {} s, for {} s", options_.instances,
                               options_.interval_s, options_.seconds));
    // Each monitor has made two looks by then, and the rush of the set-up is over.
    std::this_thread::sleep_for(std::chrono::seconds(2 * options_.interval_s + 2));
    const auto began = SteadyClock::now();
    const auto before = load();
    for (int left = options_.seconds; left > 0; left -= 10) {
        std::this_thread::sleep_for(std::chrono::seconds(std::min(left, 10)));
        say(fmt::format("{:.0f} s", seconds_since(began)));
    }
    const double elapsed_s = seconds_since(began);
    const auto used = load() - before;
    const double n = options_.instances;
    report.figure("server_cpu_percent", 100 * used.server_cpu_s / elapsed_s, "of a core; bar 50, aim 25");
    report.figure("cms_cpu_percent", 100 * used.cms_cpu_s / elapsed_s, "of a core, PostgreSQL of the CMS");
    report.figure("world_cpu_percent", 100 * used.world_cpu_s / elapsed_s, "of a core, the hollow members and the API");
    report.figure("server_cpu_ms_per_instance_s", 1'000 * used.server_cpu_s / elapsed_s / n, "each second");
    report.figure("server_cpu_ms_per_check", 1'000 * used.server_cpu_s / std::max(used.checks, 1.0),
                  "with all that is done between two checks");
    report.figure("server_memory_mb", used.memory_mb, "resident; bar 512, aim 256");
    report.figure("server_memory_kb_per_instance", 1'024 * (used.memory_mb - memory_before_mb_) / n,
                  "above what it had before the first; bar 256");
    report.figure("checks_per_s", used.checks / elapsed_s, fmt::format("{:.1f} are due", n / options_.interval_s));
    report.figure("late_p50_ms", used.late_ms(0.5), "");
    report.figure("late_p99_ms", used.late_ms(0.99), "a check after the interval since the last; bar 500, aim 200");
    report.figure("agent_asks_per_s", used.asks / elapsed_s, "");
    report.figure("agent_words_per_s", used.words / elapsed_s, "told without being asked");
    report.figure("agent_sessions_per_s", used.agent_sessions / elapsed_s, "opened");
    report.figure("postgres_sessions_per_s", used.postgres_sessions / elapsed_s, "opened");
    const double hours = elapsed_s / 3'600;
    report.figure("cms_rows_per_instance_hour", used.business_rows / n / hours, "written, of the product; bar 65");
    report.figure("runtime_rows_per_instance_hour", used.runtime_rows / n / hours, "written, of the runtime");
}

void Fleet::restart(Report& report) {
    report.heading(fmt::format("kill -9 of the server with {} instances, and a new one at once", options_.instances));
    const auto live = control_plane_.live_orchestrations();
    control_plane_.kill();
    std::this_thread::sleep_for(200ms);  // the members have read all that it had sent
    const auto at = steady_ns();
    const auto began = SteadyClock::now();
    control_plane_.start();
    const auto before = load();
    double monitors_s = 0;
    double half_s = 0;
    while (asked_since(at) < options_.instances || monitors_s == 0) {
        if (monitors_s == 0 && control_plane_.live_orchestrations() >= live) monitors_s = seconds_since(began);
        if (half_s == 0 && asked_since(at) * 2 >= options_.instances) half_s = seconds_since(began);
        if (SteadyClock::now() - began > 10min)
            raise(ErrorKind::timeout, "not_resumed", fmt::format("only {} are watched again", asked_since(at)));
        std::this_thread::sleep_for(10ms);
    }
    const double all_s = seconds_since(began);
    report.figure("restart_monitors_s", monitors_s, "until all monitors went on; bar 5, aim 2 with 2,000");
    report.figure("restart_half_s", half_s, "until half of the members were asked again");
    report.figure("restart_resumed_s", all_s, "until all were");
    report.figure("restart_server_cpu_s", (load() - before).server_cpu_s, "of the new server meanwhile");
    control_plane_.wait_ready();
}

void Fleet::burst(Report& report) {
    report.heading(fmt::format("{} creations at once on top of that", options_.burst));
    std::vector<std::string> names;
    for (int n = 0; n < options_.burst; ++n) names.push_back(fmt::format("burst-{}", n));
    bool over = false;
    std::vector<double> get_ms;
    asio::co_spawn(control_plane_.io, control_plane_.knock("/api/v1/instances/fleet-0", 20ms, over, get_ms),
                   asio::detached);
    const auto began = SteadyClock::now();
    const auto before = load();
    const auto post_ms = control_plane_.create(names, interval(), names.size());
    const double accepted_s = seconds_since(began);
    // Somebody else asks for something meanwhile.
    std::thread waiting([&] {
        wait_for_running(options_.instances + options_.burst);
        asio::post(control_plane_.io, [&] { over = true; });
    });
    control_plane_.io.restart();
    while (!over) control_plane_.io.run_one();
    waiting.join();
    const auto used = load() - before;
    report.figure("burst_accepted_s", accepted_s, "until the last had its 202");
    report.figure("burst_post_p50_ms", percentile(post_ms, 0.5), "of a POST, all sent in the same moment");
    report.figure("burst_post_p99_ms", percentile(post_ms, 0.99), "bar 100, aim 50");
    report.figure("burst_get_p99_ms", percentile(get_ms, 0.99), "of a GET every 20 ms meanwhile; bar 100, aim 50");
    report.figure("burst_done_s", seconds_since(began), "until all ran; bar 120, aim 60");
    report.figure("burst_server_cpu_ms", 1'000 * used.server_cpu_s / options_.burst, "of the server, each");
}

void run(const Options& options) {
    Report report("A fleet of hollow instances under one control plane");
    Fleet fleet(options);
    fleet.set_up(report);
    fleet.watch(report);
    fleet.restart(report);
    if (options.burst > 0) fleet.burst(report);
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of a fleet of hollow instances; ends with one line of JSON");
    app.add_option("--instances", options.instances)->check(CLI::Range(1, 10'000))->capture_default_str();
    app.add_option("--interval", options.interval_s, "seconds between two checks of an instance")
        ->check(CLI::Range(1, 3'600))
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "how long the fleet is watched")
        ->check(CLI::Range(1, 86'400))
        ->capture_default_str();
    app.add_option("--burst", options.burst, "creations at once at the end; 0: none")
        ->check(CLI::Range(0, 1'000))
        ->capture_default_str();
    app.add_option("--at-once", options.at_once, "requests under way during the set-up")
        ->check(CLI::Range(1, 500))
        ->capture_default_str();
    app.add_flag("--keep", options.keep, "leave logs and objects in the temporary directory");
    app.add_option("--program", options.program, "the toygres to measure")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::raise_file_limit();
        toygres::bench::enter_own_network();
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_fleet: {}\n", toygres::current_error().message);
        return 1;
    }
}
