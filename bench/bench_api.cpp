// What one server answers, on the machine's two cores with its database and the clients: latencies of reads beside a
// static route's, streams that have nothing to tell, and clients that mean no good.
#include "api/wire.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "http/client.hpp"
#include "support/measure.hpp"
#include "support/run.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <sys/resource.h>

namespace toygres::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
using Requests = std::vector<std::string>;

struct Options {
    int seconds = 5;       // of each measurement
    int read_seconds = 0;  // of the reads by all clients; 0: as all
    int clients = 200;     // connections that ask
    int rate = 500;        // requests a second, of all clients together
    int streams = 2'000;   // that are followed and have nothing to tell
    int storm = 2'000;     // connections that come at once
    int bad = 200;         // clients of each bad kind
    std::string program = (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "toygres").string();
};

double ms_since(SteadyClock::time_point began) {
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - began).count();
}

// `toygres up` in a directory of its own, with one instance; down with everything in it at the end.
class Installation {
  public:
    explicit Installation(std::string program)
        : program_(std::move(program)),
          directory_((fs::temp_directory_path() / ("toygres-bench-" + random_hex(8))).string()) {
        fs::create_directories(directory_);
        fs::permissions(directory_, fs::perms(0755));
        output_of(fmt::format("{} up --state-dir {}", program_, directory_));
        const auto config = value_or_raise(parse_json(value_or_raise(read_file(directory_ + "/cli.json"))));
        token = value_or_raise(read_file(config.at("token_file").get<std::string>()));
        token.erase(token.find_last_not_of(" \n") + 1);
        server = {asio::ip::make_address("127.0.0.1"), config.at("port").get<unsigned short>()};
        const auto pid = value_or_raise(parse_json(value_or_raise(read_file(directory_ + "/server.pid"))));
        server_pid = pid.at("pid").get<int>();
        output_of(
            fmt::format("{} create bench --no-replication --storage 1 --wait --state-dir {}", program_, directory_));
    }
    ~Installation() {
        try {
            output_of(fmt::format("{} down --purge --state-dir {}", program_, directory_));
        } catch (...) {
            fmt::print(stderr, "bench_api: {}\n", current_error().message);
        }
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    double resident_mb() const {
        const auto text = value_or_raise(read_file(fmt::format("/proc/{}/status", server_pid)));
        return std::strtod(text.c_str() + text.find("VmRSS:") + 6, nullptr) / 1024;
    }
    Requests livez() const { return {get_request("/livez", token)}; }
    Requests reads() const {
        Requests out;
        for (const char* target : {"/api/v1/instances?limit=20", "/api/v1/instances/bench",
                                   "/api/v1/operations?limit=20", "/api/v1/orchestrations?limit=20"})
            out.push_back(get_request(target, token));
        return out;
    }

    std::string token;
    asio::ip::tcp::endpoint server;
    int server_pid = 0;

  private:
    std::string program_;
    std::string directory_;
};

struct Answers {
    std::vector<double> ms;  // from when each was due
    int failed = 0;          // 5xx, or none
};

// One client: asks in turn, each request when it is due; without an interval as soon as the last is answered.
asio::awaitable<void> ask_on(asio::io_context& io, const Installation& toygres, const Requests& requests,
                             SteadyClock::time_point due, SteadyClock::duration interval, SteadyClock::time_point until,
                             Answers& out) {
    Wire wire(io.get_executor(), toygres.server);
    if (!co_await wire.open()) {
        ++out.failed;
        co_return;
    }
    asio::steady_timer timer(io);
    for (std::size_t i = 0; due < until; ++i) {
        timer.expires_at(due);
        co_await timer.async_wait(use);
        const int status = co_await wire.ask(requests[i % requests.size()]);
        if (status == 200)
            out.ms.push_back(ms_since(due));
        else
            ++out.failed;
        if (status == 0) co_return;
        due = interval == 0s ? std::max(due + 1ns, SteadyClock::now()) : due + interval;
    }
}

// `rate` requests a second for all clients together, however late the answers come; 0: as many as are answered.
Answers load(asio::io_context& io, const Installation& toygres, const Requests& requests, const Options& options,
             int rate) {
    Answers out;
    const auto begin = SteadyClock::now() + 100ms;
    const auto interval = rate == 0 ? SteadyClock::duration(0) : SteadyClock::duration(1s) * options.clients / rate;
    int left = options.clients;
    for (int i = 0; i < options.clients; ++i)
        asio::co_spawn(io,
                       ask_on(io, toygres, requests, begin + interval * i / options.clients, interval,
                              begin + std::chrono::seconds(options.seconds), out),
                       [&left](std::exception_ptr) { --left; });
    io.restart();
    while (left > 0) io.run_one();
    return out;
}

void tell(Report& report, const std::string& name, const Answers& answers, double floor_p99_ms) {
    report.figure(name + "_p50_ms", percentile(answers.ms, 0.5), fmt::format("of {}", answers.ms.size()));
    report.figure(name + "_p99_ms", percentile(answers.ms, 0.99), "");
    if (floor_p99_ms > 0)
        report.figure(name + "_p99_ratio", percentile(answers.ms, 0.99) / floor_p99_ms, "to the floor");
    report.figure(name + "_failed", answers.failed, "5xx, or no answer");
}

// Wires that go on while something else is measured.
class Crowd {
  public:
    using Part = std::function<asio::awaitable<void>(std::shared_ptr<Wire>)>;

    Crowd(asio::io_context& io, const Installation& toygres, int size, Part part) : io_(io) {
        for (int i = 0; i < size; ++i) {
            wires_.push_back(std::make_shared<Wire>(io.get_executor(), toygres.server));
            ++running_;
            asio::co_spawn(io, run(part, wires_.back()), [this](std::exception_ptr) { --running_; });
        }
    }
    ~Crowd() {
        for (const auto& wire : wires_) wire->close();
        io_.restart();
        while (running_ > 0) io_.run_one();
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    // Until as many have said so, or the time is over.
    bool wait_for(const int& count, std::chrono::seconds patience) {
        const auto deadline = SteadyClock::now() + patience;
        io_.restart();
        while (count < static_cast<int>(wires_.size()) && SteadyClock::now() < deadline) io_.run_one_for(100ms);
        return count >= static_cast<int>(wires_.size());
    }

  private:
    static asio::awaitable<void> run(Part part, std::shared_ptr<Wire> wire) {
        if (co_await wire->open()) co_await part(wire);
    }

    asio::io_context& io_;
    std::vector<std::shared_ptr<Wire>> wires_;
    int running_ = 0;
};

void measure_reads(Report& report, asio::io_context& io, const Installation& toygres, const Options& options,
                   double& floor_p99_ms) {
    report.heading(fmt::format("{} clients, {} requests a second", options.clients, options.rate));
    const auto floor = load(io, toygres, toygres.livez(), options, options.rate);
    floor_p99_ms = percentile(floor.ms, 0.99);
    tell(report, "floor_livez", floor, 0);
    load(io, toygres, toygres.reads(), options, options.rate);  // sessions are made, caches filled
    const auto before_mb = toygres.resident_mb();
    auto longer = options;
    if (options.read_seconds > 0) longer.seconds = options.read_seconds;
    tell(report, "reads", load(io, toygres, toygres.reads(), longer, options.rate), floor_p99_ms);
    report.figure("reads_memory_growth_mb", toygres.resident_mb() - before_mb,
                  fmt::format("from {:.0f} MB", before_mb));

    report.heading(fmt::format("{} clients, each asks again once it is answered", options.clients));
    const auto most_floor = load(io, toygres, toygres.livez(), options, 0);
    const auto most = load(io, toygres, toygres.reads(), options, 0);
    report.figure("floor_livez_per_s", static_cast<double>(most_floor.ms.size()) / options.seconds, "");
    report.figure("reads_per_s", static_cast<double>(most.ms.size()) / options.seconds, "");
    report.figure("reads_per_s_ratio",
                  static_cast<double>(most.ms.size()) / std::max<double>(1, static_cast<double>(most_floor.ms.size())),
                  "to the floor");
    report.figure("reads_failed_at_most", most.failed, "5xx, or no answer");
    report.figure("reads_all_memory_growth_mb", toygres.resident_mb() - before_mb, "since the first reads");
}

void measure_streams(Report& report, asio::io_context& io, const Installation& toygres, const Options& options,
                     double floor_p99_ms) {
    report.heading(fmt::format("{} streams of an instance to which nothing happens", options.streams));
    const auto before_mb = toygres.resident_mb();
    int begun = 0;
    const auto request = get_request("/api/v1/instances/bench/events?follow=true", toygres.token);
    const auto began = SteadyClock::now();
    Crowd crowd(io, toygres, options.streams, [&](std::shared_ptr<Wire> wire) -> asio::awaitable<void> {
        if (!co_await wire->send(request) || co_await wire->read_head() != 200) co_return;
        ++begun;
        co_await wire->drain();
    });
    crowd.wait_for(begun, 120s);
    report.figure("streams_begun", begun, fmt::format("within {:.1f} s", ms_since(began) / 1000));
    report.figure("stream_memory_kb", (toygres.resident_mb() - before_mb) * 1024 / std::max(1, begun), "each");
    const double cpu_before_s = tree_cpu_s(toygres.server_pid);
    tell(report, "reads_beside_streams", load(io, toygres, toygres.reads(), options, options.rate / 5), floor_p99_ms);
    report.figure("streams_cpu_share", (tree_cpu_s(toygres.server_pid) - cpu_before_s) / options.seconds,
                  "of a core, with the reads");
}

void measure_storm(Report& report, asio::io_context& io, const Installation& toygres, const Options& options) {
    report.heading(fmt::format("{} connections at once, a request each", options.storm));
    int answered = 0;
    const auto request = toygres.reads().front();
    const auto began = SteadyClock::now();
    Crowd crowd(io, toygres, options.storm, [&](std::shared_ptr<Wire> wire) -> asio::awaitable<void> {
        if (co_await wire->ask(request) == 200) ++answered;
    });
    crowd.wait_for(answered, 60s);
    report.figure("storm_answered", answered, "");
    report.figure("storm_all_answered_s", ms_since(began) / 1000, "");
}

// Those who ask for much and read nothing: what the server holds for each must not grow.
void measure_mute(Report& report, asio::io_context& io, const Installation& toygres, const Options& options,
                  double floor_p99_ms) {
    report.heading(fmt::format("{} clients that ask without end and read nothing", options.bad));
    const auto before_mb = toygres.resident_mb();
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += toygres.reads().back();
    Crowd crowd(io, toygres, options.bad, [&](std::shared_ptr<Wire> wire) -> asio::awaitable<void> {
        while (co_await wire->send(requests)) {
        }
    });
    tell(report, "reads_beside_mute", load(io, toygres, toygres.reads(), options, options.rate / 5), floor_p99_ms);
    report.figure("mute_memory_kb", (toygres.resident_mb() - before_mb) * 1024 / options.bad, "each");
}

void measure_slow(Report& report, asio::io_context& io, const Installation& toygres, const Options& options,
                  double floor_p99_ms) {
    report.heading(fmt::format("{} clients that send a byte of a request each second", options.bad));
    const auto request = toygres.reads().front();
    int ended = 0;
    Crowd crowd(io, toygres, options.bad, [&](std::shared_ptr<Wire> wire) -> asio::awaitable<void> {
        asio::steady_timer timer(io);
        for (std::size_t i = 0; i < request.size() && co_await wire->send(request.substr(i, 1)); ++i) {
            timer.expires_after(1s);
            co_await timer.async_wait(use);
        }
        ++ended;
    });
    tell(report, "reads_beside_slow", load(io, toygres, toygres.reads(), options, options.rate / 5), floor_p99_ms);
    const auto began = SteadyClock::now();
    crowd.wait_for(ended, 60s);
    report.figure("slow_ended", ended, fmt::format("by the server, within {:.0f} s more", ms_since(began) / 1000));
}

void run(const Options& options) {
    Report report("What one server answers: reads, streams, and clients that mean no good");
    const Installation toygres(options.program);
    asio::io_context io;
    double floor_p99_ms = 0;
    measure_reads(report, io, toygres, options, floor_p99_ms);
    measure_streams(report, io, toygres, options, floor_p99_ms);
    measure_storm(report, io, toygres, options);
    measure_mute(report, io, toygres, options, floor_p99_ms);
    measure_slow(report, io, toygres, options, floor_p99_ms);
    report.finish();
}

// Each connection is a file.
void raise_file_limit() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of the API; ends with one line of JSON");
    app.add_option("--seconds", options.seconds, "of each measurement")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    app.add_option("--read-seconds", options.read_seconds, "of the reads by all clients; 0: as all")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    app.add_option("--clients", options.clients)->check(CLI::Range(1, 10'000))->capture_default_str();
    app.add_option("--rate", options.rate, "requests a second, of all clients together")
        ->check(CLI::Range(10, 100'000))
        ->capture_default_str();
    app.add_option("--streams", options.streams)->check(CLI::Range(1, 20'000))->capture_default_str();
    app.add_option("--storm", options.storm)->check(CLI::Range(1, 20'000))->capture_default_str();
    app.add_option("--bad", options.bad, "clients of each bad kind")
        ->check(CLI::Range(1, 4'000))
        ->capture_default_str();
    app.add_option("--program", options.program, "the toygres to measure")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::raise_file_limit();
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_api: {}\n", toygres::current_error().message);
        return 1;
    }
}
