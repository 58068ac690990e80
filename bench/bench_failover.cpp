// How long a client that writes through the Service has to wait when roles change, planned or not, and when the standby
// dies; on the embedded cluster under the product's own settings, beside what pg_promote needs by hand.
#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "e2e/ledger.hpp"
#include "e2e/processes.hpp"
#include "http/client.hpp"
#include "kube/client.hpp"
#include "support/measure.hpp"
#include "support/run.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace toygres::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

struct Options {
    int runs = 10;
    std::string program = (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "toygres").string();
};

double ms_since(SteadyClock::time_point began) {
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - began).count();
}

void wait_until(const std::string& what, const std::function<bool()>& condition) {
    for (const auto deadline = SteadyClock::now() + 3min; !condition(); std::this_thread::sleep_for(20ms))
        if (SteadyClock::now() > deadline) raise(ErrorKind::timeout, "not_reached", what);
}

// A directory that goes with the benchmark.
struct Scratch {
    std::string path = (fs::temp_directory_path() / ("toygres-bench-" + random_hex(8))).string();
    Scratch() {
        fs::create_directories(path);
        fs::permissions(path, fs::perms(0777));
    }
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

// The floor: a primary and a streaming standby by hand. The primary is killed; milliseconds from asking the standby for
// its promotion to the first row that it acknowledges.
class ByHand {
  public:
    explicit ByHand(std::string directory) : directory_(std::move(directory)) {
        for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql"))
            if (fs::exists(entry.path() / "bin/initdb"))
                major_ = std::max(major_, std::stoi(entry.path().filename().string()));
    }

    double promote_ms(int run) {
        const auto primary = fmt::format("{}/primary-{}", directory_, run);
        const auto standby = fmt::format("{}/standby-{}", directory_, run);
        tool("initdb", fmt::format("-D {} -U postgres -A trust -E UTF8 --locale=C.UTF-8", primary));
        start(primary, 54310);
        sql(54310, "CREATE TABLE t (n int)");
        tool("pg_basebackup",
             fmt::format("-h {} -p 54310 -U postgres -D {} -R -X stream -c fast", directory_, standby));
        start(standby, 54311);
        wait_until("the standby streams", [&] {
            return sql(54310, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1";
        });
        tool("pg_ctl", fmt::format("-D {} -m immediate -w stop", primary));
        const auto began = SteadyClock::now();
        sql(54311, "SELECT pg_promote(true)");
        sql(54311, "INSERT INTO t VALUES (1)");
        const auto took = ms_since(began);
        tool("pg_ctl", fmt::format("-D {} -m immediate -w stop", standby));
        return took;
    }

  private:
    void tool(const std::string& name, const std::string& arguments) const {
        output_of(fmt::format("cd / && {}/usr/lib/postgresql/{}/bin/{} {}",
                              ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups -- " : "",
                              major_, name, arguments));
    }
    void start(const std::string& data, int port) const {
        tool("pg_ctl", fmt::format("-D {} -w -l {}.log -o '-p {} -k {} -c listen_addresses=' start", data, data, port,
                                   directory_));
    }
    std::string sql(int port, const std::string& query) const {
        pqxx::connection connection(fmt::format("host={} port={} user=postgres dbname=postgres", directory_, port));
        const auto rows = pqxx::nontransaction(connection).exec(query);
        return rows.empty() ? "" : rows[0][0].as<std::string>();
    }

    std::string directory_;
    int major_ = 0;
};

// `toygres up` in a directory of its own, spoken to by its command line; down with everything in it at the end.
class Installation {
  public:
    Installation(std::string program, std::string state_dir)
        : program_(std::move(program)), state_dir_(std::move(state_dir)) {
        cli("up");
    }
    ~Installation() {
        try {
            cli("down --purge");
        } catch (...) {
            fmt::print(stderr, "bench_failover: {}\n", current_error().message);
        }
    }
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    std::string cli(const std::string& arguments) const {
        return output_of(fmt::format("TOYGRES_STATE_DIR={} NO_COLOR=1 {} {}", state_dir_, program_, arguments));
    }
    Json get(const std::string& target) const {
        const auto config = value_or_raise(parse_json(value_or_raise(read_file(state_dir_ + "/cli.json"))));
        auto token = value_or_raise(read_file(config.at("token_file").get<std::string>()));
        token.erase(token.find_last_not_of(" \n") + 1);
        asio::io_context io;
        http::Client client(io.get_executor(), {.base_url = config.at("api_url").get<std::string>()});
        const auto response = value_or_raise(test::run(
            io,
            client.send({.method = "GET", .target = target, .headers = {{"Authorization", "Bearer " + token}}}, 60s)));
        return value_or_raise(parse_json(response.body));
    }
    std::string cms(const std::string& query) const {
        pqxx::connection connection(
            fmt::format("host={}/cms user=toygres dbname=postgres options='-c search_path=toygres_cms'", state_dir_));
        const auto rows = pqxx::nontransaction(connection).exec(query);
        return rows.empty() ? "" : rows[0][0].as<std::string>();
    }
    void scale(const std::string& member, int replicas) const {
        asio::io_context io;
        kube::Client client(io.get_executor(),
                            value_or_raise(kube::load_kubeconfig(state_dir_ + "/cluster/kubeconfig")));
        value_or_raise(test::run(io, client.patch(kube::resource("StatefulSet", "toygres", member),
                                                  kube::PatchType::merge, {{"spec", {{"replicas", replicas}}}})));
    }
    const std::string& state_dir() const { return state_dir_; }

  private:
    std::string program_;
    std::string state_dir_;
};

// One replicated instance and the client that writes to it.
class Subject {
  public:
    Subject(const Installation& toygres, const std::string& name) : toygres_(toygres), name_(name) {
        toygres_.cli("create " + name + " --wait");
        toygres_.cms(R"(UPDATE replication SET policy = policy || '{"cooldown_ms": 0}')");
        const auto k8s_name = toygres_.cms("SELECT k8s_name FROM instances WHERE state = 'running'");
        toygres_.cli("orchestrations signal health-" + k8s_name + " wake");
        wait_whole();
        ledger_.emplace(conninfo(),
                        test::LedgerOptions{.pause = 1ms, .answer_timeout = 500ms, .connect_timeout = 200ms});
    }

    // The longest time without an acknowledged row from just before `strike` until rows are acknowledged behind it.
    double gap_ms(const std::function<void()>& strike, const std::function<bool()>& over) {
        if (!ledger_->goes_on()) raise(ErrorKind::timeout, "no_rows", "nothing is acknowledged");
        ledger_->forget_gaps();
        strike();
        wait_until("the change", over);
        if (!ledger_->goes_on()) raise(ErrorKind::timeout, "no_rows", "nothing is acknowledged any more");
        return static_cast<double>(ledger_->longest_gap().count());
    }

    double switchover_ms() {
        const auto took =
            gap_ms([&] { toygres_.cli("replication switchover " + name_ + " --wait"); }, [] { return true; });
        back["rejoin_clean"].push_back(whole_after_ms());
        return took;
    }

    // The pod dies at once and does not come back.
    double primary_gone_ms() {
        const auto primary = primary_member();
        const auto took = gap_ms([&] { end_for_good(primary); }, [&] { return has_another_primary(primary); });
        toygres_.scale(primary, 1);
        back["rejoin_after_crash"].push_back(whole_after_ms());
        return took;
    }

    double primary_restart_ms() {
        const auto primary = primary_member();
        const auto killed = test::postmaster_of(primary);
        const auto took = gap_ms([&] { ::kill(killed, SIGKILL); },
                                 [&] {
                                     const auto now = test::postmaster_of(primary);
                                     return now != 0 && now != killed;
                                 });
        wait_whole();
        return took;
    }

    double primary_frozen_ms() {
        const auto primary = primary_member();
        const auto frozen = test::server_processes_of(primary);
        const auto signal = [&](int number) {
            for (const auto pid : frozen) ::kill(pid, number);
        };
        const auto took = gap_ms([&] { signal(SIGSTOP); }, [&] { return has_another_primary(primary); });
        signal(SIGCONT);
        wait_whole();
        return took;
    }

    double standby_gone_ms() {
        const auto standby = record(
            "(SELECT m FROM jsonb_array_elements_text(record -> 'members') m WHERE m <> "
            "primary_member LIMIT 1)");
        const auto took = gap_ms([&] { end_for_good(standby); }, [&] { return record("state") == "degraded"; });
        toygres_.scale(standby, 1);
        back["standby_back"].push_back(whole_after_ms());
        return took;
    }

    // Medians of a commit by one client, while commits wait for the standby and while they do not.
    std::pair<double, double> commit_ms() {
        const auto synchronous = median_commit_ms();
        toygres_.cli("replication configure " + name_ + " --mode async --wait");
        wait_until("asynchronous", [&] { return record("state") == "catching_up"; });
        const auto alone = median_commit_ms();
        toygres_.cli("replication configure " + name_ + " --mode sync --wait");
        wait_whole();
        return {synchronous, alone};
    }

    // Of the failovers so far: from the decision to the choice of the new primary, and from there to its service.
    std::vector<double> phase_ms(int from) const {
        std::vector<double> out;
        const auto text = toygres_.cms(fmt::format(
            "SELECT string_agg((1000 * extract(epoch FROM (steps -> {} ->> 'at')::timestamptz - (steps -> {} ->> "
            "'at')::timestamptz))::text, ' ') FROM failovers WHERE kind = 'automatic' AND status = 'completed'",
            from + 1, from));
        std::istringstream numbers(text);
        for (double ms = 0; numbers >> ms;) out.push_back(ms);
        return out;
    }

    // Rows that were acknowledged and are not there: must be none.
    void check() {
        ledger_->stop();
        if (const auto missing = ledger_->missing(); !missing.empty())
            raise(ErrorKind::internal, "acknowledged_rows_lost", missing);
    }

    // By what came back: until the instance was synced again.
    std::map<std::string, std::vector<double>> back;

  private:
    double whole_after_ms() const {
        const auto began = SteadyClock::now();
        wait_whole();
        return ms_since(began);
    }
    double median_commit_ms() const {
        pqxx::connection connection(conninfo());
        pqxx::nontransaction(connection).exec("CREATE TABLE IF NOT EXISTS latency (n int)");
        std::vector<double> all;
        for (int n = 0; n < 500; ++n) {
            const auto began = SteadyClock::now();
            pqxx::nontransaction(connection).exec("INSERT INTO latency VALUES (1)");
            all.push_back(ms_since(began));
        }
        return percentile(all, 0.5);
    }
    std::string record(const std::string& expression) const {
        return toygres_.cms("SELECT " + expression + " FROM replication ORDER BY updated_at DESC LIMIT 1");
    }
    std::string primary_member() const { return record("primary_member"); }
    bool has_another_primary(const std::string& than) const {
        const auto now = primary_member();
        return !now.empty() && now != than;
    }
    void wait_whole() const {
        wait_until("synced", [&] { return record("state") == "synced"; });
    }
    void end_for_good(const std::string& member) const {
        const auto agent = test::agent_of(member);
        const auto server = test::postmaster_of(member);
        toygres_.scale(member, 0);
        ::kill(server, SIGKILL);
        ::kill(agent, SIGKILL);
    }
    // Of the Service, with the password, as the API gives it to users.
    std::string conninfo() const {
        const auto connection = toygres_.get("/api/v1/instances/" + name_ + "/connection");
        const auto ca = fmt::format("{}/{}.crt", toygres_.state_dir(), name_);
        std::ofstream(ca) << connection.at("ca_certificate").get<std::string>();
        return fmt::format(
            "host={} port=5432 user=postgres dbname=postgres password={} sslmode=verify-ca sslrootcert={}",
            connection.at("host").get<std::string>(), connection.at("password").get<std::string>(), ca);
    }

    const Installation& toygres_;
    std::string name_;
    std::optional<test::Ledger> ledger_;
};

void run(const Options& options) {
    Report report("How long a client that writes has to wait when servers fail, on the embedded cluster");
    const Scratch scratch;
    const auto figures = [&](const std::string& key, const std::string& what, const std::vector<double>& all) {
        report.figure(key + "_p50_ms", percentile(all, 0.5), what);
        report.figure(key + "_p99_ms", percentile(all, 0.99), fmt::format("of {}", all.size()));
    };
    const auto take = [&](const std::string& key, const std::function<double()>& once) {
        std::vector<double> all;
        for (int n = 0; n < options.runs; ++n) all.push_back(once());
        figures(key, "", all);
    };

    report.heading("floor: a standby promoted by hand, from pg_promote to the first row");
    ByHand by_hand(scratch.path);
    int run = 0;
    take("floor_promote", [&] { return by_hand.promote_ms(++run); });

    const Installation toygres(options.program, scratch.path + "/state");
    report.heading("toygres: from the POST to a confirmed synchronous standby");
    int created = 0;
    take("create_replicated", [&] {
        const auto name = fmt::format("made-{}", ++created);
        const auto began = SteadyClock::now();
        toygres.cli("create " + name + " --wait");
        const auto took = ms_since(began);
        toygres.cli("delete " + name + " --yes --wait");
        return took;
    });

    report.heading("toygres: the longest time without an acknowledged row");
    Subject subject(toygres, "bench");
    struct Scenario {
        std::string key;
        std::string what;
        std::function<double()> once;
        std::vector<double> all;
    };
    Scenario scenarios[] = {
        {"switchover_gap", "planned", [&] { return subject.switchover_ms(); }, {}},
        {"primary_restart_gap",
         "postmaster killed, restarted in place",
         [&] { return subject.primary_restart_ms(); },
         {}},
        {"primary_gone_gap", "pod killed, never back: failover", [&] { return subject.primary_gone_ms(); }, {}},
        {"primary_frozen_gap",
         "all processes of the server stopped: failover",
         [&] { return subject.primary_frozen_ms(); },
         {}},
        {"standby_gone_gap",
         "pod killed: commits wait, then go on alone",
         [&] { return subject.standby_gone_ms(); },
         {}},
    };
    // In turns: a server that ends again and again is started again ever later.
    for (int n = 0; n < options.runs; ++n)
        for (auto& scenario : scenarios) scenario.all.push_back(scenario.once());
    for (const auto& scenario : scenarios) figures(scenario.key, scenario.what, scenario.all);
    report.heading("toygres: the phases of an automatic failover, behind its detection");
    figures("fenced_and_chosen", "from the decision to the choice of the new primary", subject.phase_ms(0));
    figures("promoted_and_routed", "from there to its service", subject.phase_ms(1));
    report.heading("toygres: until the instance is synced again");
    for (const auto& [key, all] : subject.back) figures(key, "", all);
    subject.check();  // its writers rest from here on
    report.heading("toygres: one commit by one client");
    const auto [synchronous, alone] = subject.commit_ms();
    report.figure("commit_sync_p50_ms", synchronous, "the standby confirms it");
    report.figure("commit_async_p50_ms", alone, "the primary alone");
    report.figure("commit_added_p50_ms", synchronous - alone, "for the standby's word");
    report.finish();
}

}  // namespace
}  // namespace toygres::bench

int main(int argc, char** argv) {
    toygres::bench::Options options;
    CLI::App app("Benchmark of failover as clients feel it; ends with one line of JSON");
    app.add_option("-n,--runs", options.runs, "of everything")->check(CLI::Range(1, 1'000))->capture_default_str();
    app.add_option("--program", options.program, "the toygres to measure")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        toygres::bench::run(options);
        return 0;
    } catch (...) {
        fmt::print(stderr, "bench_failover: {}\n", toygres::current_error().message);
        return 1;
    }
}
