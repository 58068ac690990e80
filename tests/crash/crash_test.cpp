// The runtime on a real PostgreSQL, with real processes, under real faults at every phase of a turn and at random
// moments: whatever happens, every orchestration ends as if nothing had.
#include "cms/migrator.hpp"
#include "database.hpp"
#include "runtime/host/client.hpp"
#include "runtime/store/pg_store.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"
#include "workload.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>

using namespace toygres;
using namespace toygres::crash;
using namespace std::chrono_literals;

namespace {

constexpr auto schema = "toygres_cms";

int from_environment(const char* name, int otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
}

class Worker {
  public:
    // `crash_at`: as TOYGRES_CRASH_AT; empty: nowhere.
    Worker(const Database& database, const std::string& crash_at) {
        const auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "crash_worker").string();
        const auto conninfo = database.conninfo();
        const auto log = database.directory() + "/worker.log";
        const auto armed = "TOYGRES_CRASH_AT=" + crash_at;
        const char* argv[] = {program.c_str(), conninfo.c_str(), log.c_str(), nullptr};
        std::vector<const char*> environment;
        if (!crash_at.empty()) environment.push_back(armed.c_str());
        for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
        environment.push_back(nullptr);
        REQUIRE(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, const_cast<char**>(argv),
                              const_cast<char**>(environment.data())) == 0);
    }
    ~Worker() {
        signal(SIGKILL);
        if (pid_ != 0) ::waitpid(pid_, nullptr, 0);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    void signal(int number) const {
        if (pid_ != 0) ::kill(pid_, number);
    }
    bool ended() {
        if (pid_ != 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
        return pid_ == 0;
    }

  private:
    pid_t pid_ = 0;
};

enum class Strike { killed_at_phase, killed, frozen, sessions_ended, restarted, failed_over, disk_full };
BOOST_DESCRIBE_ENUM(Strike, killed_at_phase, killed, frozen, sessions_ended, restarted, failed_over, disk_full)

// All that one run of the tests shares.
class Scene {
  public:
    explicit Scene(std::uint64_t seed) : random_(seed) {
        value_or_raise(cms::migrate(database_.conninfo(), schema));
        ask(trace_tables);
        for (auto& worker : workers_) worker.emplace(database_, "");
    }

    // One run: orchestrations of every type, a strike or two, and what has come of it.
    void run(int number) {
        const auto strike = draw_strike();
        UNSCOPED_INFO(fmt::format("run {}: {}", number, enum_name(strike)));
        INFO(fmt::format("run {}: {}", number, enum_name(strike)));
        if (strike == Strike::killed_at_phase) arm();
        start(number);
        std::this_thread::sleep_for(milliseconds(between(0, 500)));
        make(strike);
        send_signals(number);
        mend();
        await_ends(number);
        check(number);
    }

    // One that kills whoever runs it, beside others.
    void run_killer(int number) {
        const auto poison = database_.directory() + "/poison";
        std::ofstream(poison) << "poison";
        ::setenv(poison_variable, poison.c_str(), 1);
        for (auto& worker : workers_) worker.reset();
        mend();
        const auto id = id_of(number, "killer");
        persist([&](Client& client) { return start_one(client, number, "killer"); });
        start(number);
        send_signals(number);
        const auto status = fmt::format(
            "SELECT status || coalesce(' ' || (error ->> 'code'), '') FROM orchestrations WHERE id = '{}'", id);
        int deaths = 0;
        const auto replace_the_dead = [&] {
            for (auto& worker : workers_)
                if (worker->ended()) {
                    ++deaths;
                    worker.emplace(database_, "");
                }
        };
        for (const auto end = std::chrono::steady_clock::now() + 120s;
             ask(status) != "stuck quarantined" && std::chrono::steady_clock::now() < end;) {
            replace_the_dead();
            std::this_thread::sleep_for(5ms);
        }
        // The last of them may have died, and another have drawn the conclusion, since it was looked for.
        replace_the_dead();
        CHECK(ask(status) == "stuck quarantined");
        // One more where its first owner was handed the shard, and so had nobody to distrust.
        CHECK(deaths >= 4);
        CHECK(deaths <= 5);
        await_ends(number);
        check(number);
        std::filesystem::remove(poison);
        persist([&](Client& client) { return client.resume(id); });
        await_ends(number, "killer");
        CHECK(ask(status) == "completed");
    }

  private:
    int between(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }

    Strike draw_strike() {
        const int draw = between(0, 99);
        if (draw < 40) return Strike::killed_at_phase;
        if (draw < 55) return Strike::killed;
        if (draw < 65) return Strike::frozen;
        if (draw < 80) return Strike::sessions_ended;
        if (draw < 88) return Strike::restarted;
        if (draw < 94 || !database_.can_be_filled()) return Strike::failed_over;
        return Strike::disk_full;
    }

    // A worker that kills itself around one of its next commits, alone at work until then.
    void arm() {
        constexpr const char* phases[] = {"before", "sent", "after"};
        workers_[1].reset();
        workers_[0].reset();
        workers_[0].emplace(database_, fmt::format("commit.{}/x:{}", phases[between(0, 2)], between(1, 60)));
    }

    void make(Strike strike) {
        auto& victim = *workers_[0];
        switch (strike) {
            case Strike::killed_at_phase:
                for (const auto end = std::chrono::steady_clock::now() + 3s;
                     !victim.ended() && std::chrono::steady_clock::now() < end;)
                    std::this_thread::sleep_for(5ms);
                break;
            case Strike::killed:
                victim.signal(SIGKILL);
                break;
            case Strike::frozen:
                victim.signal(SIGSTOP);
                std::this_thread::sleep_for(milliseconds(between(100, 6'000)));
                victim.signal(SIGCONT);
                break;
            case Strike::sessions_ended:
                for (int i = between(1, 5); i > 0; --i) {
                    database_.terminate_sessions();
                    std::this_thread::sleep_for(milliseconds(between(1, 80)));
                }
                break;
            case Strike::restarted:
                database_.restart();
                break;
            case Strike::failed_over:
                database_.fail_over();
                break;
            case Strike::disk_full:
                database_.fill();
                std::this_thread::sleep_for(milliseconds(between(100, 1'500)));
                database_.empty();
                break;
        }
    }

    void mend() {
        for (auto& worker : workers_)
            if (!worker || worker->ended()) worker.emplace(database_, "");
    }

    // Again until the database says yes: each call is such that a repetition does no harm.
    void persist(const std::function<asio::awaitable<Result<void>>(Client&)>& call) {
        for (;;) {
            const auto done = test::run(io_, call(client_));
            if (done || done.error().code == "orchestration_finished") return;
            INFO(done.error().message);
            REQUIRE(done.error().retryable());
            std::this_thread::sleep_for(20ms);
        }
    }

    static std::string id_of(int number, const std::string& type) { return fmt::format("x-{}-{}", number, type); }

    static asio::awaitable<Result<void>> start_one(Client& client, int number, std::string type) {
        const auto outcome = co_await client.start({.id = id_of(number, type),
                                                    .name = type,
                                                    .input = encode(Number{number}),
                                                    .on_conflict = OnConflict::use_existing});
        co_return outcome ? Result<void>() : std::unexpected(outcome.error());
    }
    void start(int number) {
        for (const auto& type : types) persist([&](Client& client) { return start_one(client, number, type); });
    }

    void send_signals(int number) {
        for (int i = 0; i < signals_of_collector; ++i)
            persist([&](Client& client) {
                return client.signal(id_of(number, "collector"), "add", encode(Number{i}), fmt::format("{}", i));
            });
        persist([&](Client& client) { return client.cancel(id_of(number, "cleaner"), "enough"); });
    }

    std::string ask(const std::string& query) const {
        for (int attempt = 0;; ++attempt) try {
                pqxx::connection connection(database_.conninfo());
                pqxx::work work(connection);
                work.exec(fmt::format("SET LOCAL search_path = {}", schema));
                const auto rows = work.exec(query);
                auto out = rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].as<std::string>();
                work.commit();
                return out;
            } catch (const pqxx::broken_connection&) {
                if (attempt == 100) throw;
                std::this_thread::sleep_for(50ms);
            }
    }

    // Of all but killers, or of one type alone.
    void await_ends(int number, const std::string& type = {}) {
        const auto open = fmt::format(
            "SELECT string_agg(id || ' ' || status, ', ') FROM orchestrations WHERE id LIKE 'x-{}-{}%' AND finished_at "
            "IS "
            "NULL AND {}",
            number, type, type.empty() ? "name <> 'killer'" : "true");
        std::string left;
        for (const auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
            left = ask(open);
            if (left.empty()) return;
            std::this_thread::sleep_for(20ms);
        }
        FAIL("did not end: " << left);
    }

    void check(int number) {
        for (const auto& type : types) {
            const auto id = id_of(number, type);
            INFO(id);
            const auto row = value_or_raise(test::run(io_, client_.get(id)));
            const auto wanted = expected(type, number);
            CHECK(row.status == wanted.status);
            if (row.status == Status::completed) CHECK(row.output == wanted.output);
            CHECK(ask(fmt::format("SELECT count(*) FROM deposits WHERE orchestration = '{}'", id)) ==
                  std::to_string(wanted.deposits));
        }
        // Three children of the family and one of the cleaner, of four each.
        CHECK(ask(fmt::format("SELECT count(*) FROM deposits WHERE orchestration LIKE 'x-{}-%/%'", number)) == "16");
        CHECK(ask("SELECT count(*) FROM runs WHERE NOT recorded") == "0");
        CHECK(ask("SELECT string_agg(violation || ' ' || subject, ', ') FROM v_invariants").empty());
    }

    std::mt19937_64 random_;
    Database database_;
    asio::io_context io_;
    SystemClock clock_{io_.get_executor()};
    std::shared_ptr<pg::Pool> pool_ = std::make_shared<pg::Pool>(
        io_.get_executor(), pg::PoolOptions{.conninfo = database_.conninfo(), .search_path = schema});
    PgStore store_{io_.get_executor(), {.conninfo = database_.conninfo(), .schema = schema}, pool_};
    Client client_{io_.get_executor(), store_, clock_};
    std::optional<Worker> workers_[2];
};

}  // namespace

// TOYGRES_CRASH_RUNS of them, from TOYGRES_CRASH_SEED.
TEST_CASE("crashes: whatever happens to processes and database, every orchestration ends as it has to, once") {
    const int runs = from_environment("TOYGRES_CRASH_RUNS", 40);
    Scene scene(static_cast<std::uint64_t>(from_environment("TOYGRES_CRASH_SEED", 1)));
    for (int number = 1; number <= runs; ++number) scene.run(number);
}

TEST_CASE("crashes: an orchestration that kills its process is quarantined, and others end") {
    Scene scene(1);
    for (int number = 1; number <= 3; ++number) scene.run_killer(number);
}
