// Seconds from the POST that asks for an instance to the first SELECT through its Service, on the embedded cluster,
// beside what the machine needs for the same by hand: initdb, start of postgres, first SELECT.
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "support/measure.hpp"
#include "support/run.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace toygres::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

struct Options {
    int instances = 20;
    int floor_runs = 5;
    std::string program = (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "toygres").string();
};

double seconds_since(SteadyClock::time_point began) {
    return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

// The newest server that is installed.
int newest_major() {
    int newest = 0;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql"))
        if (fs::exists(entry.path() / "bin/initdb")) newest = std::max(newest, std::stoi(entry.path().filename()));
    if (newest == 0) raise(ErrorKind::not_found, "no_postgres", "no PostgreSQL server is installed");
    return newest;
}

unsigned short free_port() {
    asio::io_context io;
    return asio::ip::tcp::acceptor(io, {asio::ip::make_address("127.0.0.1"), 0}).local_endpoint().port();
}

// A directory that goes with the benchmark.
struct Scratch {
    std::string path = (fs::temp_directory_path() / ("toygres-bench-" + random_hex(8))).string();
    Scratch() {
        fs::create_directories(path);
        fs::permissions(path, fs::perms(0755));
    }
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

// Once by hand, with the options that the agent gives: seconds until the first SELECT, durable as initdb leaves it.
double initdb_and_start_s(const std::string& scratch, int major, int run) {
    const auto bin = fmt::format("/usr/lib/postgresql/{}/bin", major);
    const auto directory = fmt::format("{}/floor-{}", scratch, run);
    fs::create_directories(directory);
    std::ofstream(directory + "/password") << "floor\n";
    const std::string as_user =
        ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups -- " : std::string();
    if (::geteuid() == 0) output_of(fmt::format("chown -R postgres:postgres {}", directory));
    const auto port = free_port();
    const auto began = SteadyClock::now();
    output_of(
        fmt::format("cd / && {}{}/initdb --pgdata={}/data --username=postgres --pwfile={}/password "
                    "--auth-local=peer --auth-host=scram-sha-256 --data-checksums --encoding=UTF8 "
                    "--locale=C.UTF-8 --no-instructions",
                    as_user, bin, directory, directory));
    const auto ctl = fmt::format("cd / && {}{}/pg_ctl -D {}/data -w", as_user, bin, directory);
    output_of(fmt::format("{} -l {}/log start -o '-p {} -k {} -c listen_addresses=127.0.0.1'", ctl, directory, port,
                          directory));
    {
        pqxx::connection connection(
            fmt::format("host=127.0.0.1 port={} user=postgres dbname=postgres password=floor", port));
        pqxx::work(connection).exec("SELECT 1");
    }
    const double took = seconds_since(began);
    output_of(ctl + " -m immediate stop");
    return took;
}

// `toygres up` in a directory of its own; down with everything in it at the end.
class Installation {
  public:
    Installation(std::string program, std::string state_dir)
        : program_(std::move(program)), state_dir_(std::move(state_dir)) {
        output_of(fmt::format("{} up --state-dir {}", program_, state_dir_));
        const auto config = value_or_raise(parse_json(value_or_raise(read_file(state_dir_ + "/cli.json"))));
        token_ = value_or_raise(read_file(config.at("token_file").get<std::string>()));
        token_.erase(token_.find_last_not_of(" \n") + 1);
        http_.emplace(io_.get_executor(), http::ClientOptions{.base_url = config.at("api_url").get<std::string>()});
    }
    ~Installation() {
        try {
            http_.reset();
            output_of(fmt::format("{} down --purge --state-dir {}", program_, state_dir_));
        } catch (...) {
            fmt::print(stderr, "bench_create: {}\n", current_error().message);
        }
    }
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    Json call(const std::string& method, const std::string& target, const Json& body = nullptr) {
        http::Request request{.method = method, .target = target, .headers = {{"Authorization", "Bearer " + token_}}};
        if (!body.is_null()) {
            request.headers.set("Content-Type", "application/json");
            request.body = body.dump();
        }
        const auto response = value_or_raise(test::run(io_, http_->send(std::move(request), 60s)));
        if (response.status >= 300)
            raise(ErrorKind::internal, "api_refused",
                  fmt::format("{} {} gave {}: {}", method, target, response.status, response.body));
        return value_or_raise(parse_json(response.body));
    }

    // Until the operation of a POST or DELETE has succeeded.
    void finish(const Json& accepted) {
        const auto target = "/api/v1/operations/" + accepted.at("operation").at("id").get<std::string>();
        for (const auto deadline = SteadyClock::now() + 5min;;) {
            const auto operation = call("GET", target);
            const auto state = operation.at("state").get<std::string>();
            if (state == "succeeded") return;
            if (state != "running" || SteadyClock::now() > deadline)
                raise(ErrorKind::internal, "operation_failed", operation.dump());
            asio::steady_timer pause(io_, 10ms);
            test::run(
                io_, [](asio::steady_timer& timer) -> asio::awaitable<void> { co_await timer.async_wait(use); }(pause));
        }
    }

  private:
    std::string program_;
    std::string state_dir_;
    std::string token_;
    asio::io_context io_;
    std::optional<http::Client> http_;
};

double create_s(Installation& toygres, const std::string& scratch, const std::string& name) {
    const auto began = SteadyClock::now();
    toygres.finish(
        toygres.call("POST", "/api/v1/instances", {{"name", name}, {"storage_size_gb", 1}, {"replication", false}}));
    const auto connection = toygres.call("GET", "/api/v1/instances/" + name + "/connection");
    const auto ca = fmt::format("{}/{}.crt", scratch, name);
    std::ofstream(ca) << connection.at("ca_certificate").get<std::string>();
    {
        pqxx::connection session(connection.at("url_with_password").get<std::string>() + "&sslrootcert=" + ca);
        pqxx::work(session).exec("SELECT 1");
    }
    return seconds_since(began);
}

void run(const Options& options) {
    Report report("From POST to the first SELECT through the Service, on the embedded cluster");
    const Scratch scratch;
    const int major = newest_major();

    report.heading(fmt::format("floor: initdb, pg_ctl start and first SELECT of PostgreSQL {} by hand", major));
    std::vector<double> floors;
    for (int run = 0; run < options.floor_runs; ++run) floors.push_back(initdb_and_start_s(scratch.path, major, run));
    const double floor_s = percentile(floors, 0.5);
    report.figure("floor_initdb_start_p50_s", floor_s, fmt::format("of {}", floors.size()));

    std::vector<double> creations;
    {
        Installation toygres(options.program, scratch.path + "/state");
        for (int n = 0; n < options.instances; ++n) {
            const auto name = fmt::format("bench-{}", n);
            creations.push_back(create_s(toygres, scratch.path, name));
            toygres.finish(toygres.call("DELETE", "/api/v1/instances/" + name));
        }
    }
    const double p50_s = percentile(creations, 0.5);
    report.heading("toygres: one instance after the other");
    report.figure("create_p50_s", p50_s, fmt::format("of {}", creations.size()));
    report.figure("create_p90_s", percentile(creations, 0.9), "");
    report.figure("overhead_p50_s", p50_s - floor_s, "above the floor");
    report.figure("ratio_to_floor", p50_s / floor_s, "");
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of creating instances; ends with one line of JSON");
    app.add_option("--instances", options.instances)->check(CLI::Range(1, 10'000))->capture_default_str();
    app.add_option("--floor-runs", options.floor_runs)->check(CLI::Range(1, 1'000))->capture_default_str();
    app.add_option("--program", options.program, "the toygres to measure")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_create: {}\n", toygres::current_error().message);
        return 1;
    }
}
