// Trials of faults drawn at random while a client writes: after each, nothing acknowledged is missing and the instance
// is whole again without a hand. TOYGRES_CHAOS_TRIALS (12) and TOYGRES_CHAOS_SEED (1) say how many and which.
#include "base/file.hpp"
#include "ledger.hpp"
#include "replicated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <random>
#include <ranges>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

using Random = std::mt19937;

// What ends a fault that does not end by itself.
using Mend = std::function<void()>;
struct Fault {
    std::string name;
    std::function<Mend(const Replicated&)> strike;
    // One that takes away what others are brought about with, or mended, comes behind them, and is mended before them.
    int rank = 0;
};

Mend nothing() {
    return [] {};
}

void signal_all(const std::vector<int>& pids, int number) {
    for (const auto pid : pids)
        if (pid > 0) ::kill(pid, number);
}

Mend freeze(const std::vector<int>& pids) {
    signal_all(pids, SIGSTOP);
    return [pids] { signal_all(pids, SIGCONT); };
}

int cluster_pid(const Stack& stack) {
    return std::atoi(read_file(stack.directory + "/cluster/cluster.pid").value_or("0").c_str());
}

// Of the primary or of the standby, whichever that is when it strikes.
std::vector<Fault> faults_of_members() {
    std::vector<Fault> out;
    for (const bool primary : {true, false}) {
        const std::string whose = primary ? "primary" : "standby";
        const auto member = [primary](const Replicated& db) { return primary ? db.primary() : db.standby(); };
        out.push_back({"kill -9 of the postmaster of the " + whose, [member](const Replicated& db) {
                           signal_all({db.postmaster(member(db))}, SIGKILL);
                           return nothing();
                       }});
        out.push_back({"kill -9 of a process of the server of the " + whose, [member](const Replicated& db) {
                           if (const auto all = db.server_processes(member(db)); !all.empty())
                               signal_all({all.back()}, SIGKILL);
                           return nothing();
                       }});
        out.push_back({"the server frozen of the " + whose,
                       [member](const Replicated& db) { return freeze(db.server_processes(member(db))); }});
        out.push_back({"kill -9 of the agent of the " + whose, [member](const Replicated& db) {
                           signal_all({db.agent(member(db))}, SIGKILL);
                           return nothing();
                       }});
        out.push_back({"the agent frozen of the " + whose,
                       [member](const Replicated& db) { return freeze({db.agent(member(db))}); }});
        out.push_back({"agent and server frozen of the " + whose, [member](const Replicated& db) {
                           auto all = db.server_processes(member(db));
                           all.insert(all.begin(), db.agent(member(db)));
                           return freeze(all);
                       }});
        out.push_back({"the pod deleted of the " + whose, [member](const Replicated& db) {
                           db.delete_pod(member(db));
                           return nothing();
                       }});
        out.push_back({"the StatefulSet deleted of the " + whose, [member](const Replicated& db) {
                           db.delete_stateful_set(member(db));
                           return nothing();
                       }});
    }
    return out;
}

std::vector<Fault> all_faults() {
    auto out = faults_of_members();
    out.push_back({"kill -9 of the control plane",
                   [](const Replicated& db) -> Mend {
                       const auto pid = db.stack().server_pid();
                       signal_all({pid}, SIGKILL);
                       return [&stack = db.stack(), pid] {
                           if (stack.server_pid() == pid) stack.wait_for_death();
                           stack.up();
                       };
                   },
                   1});
    out.push_back(
        {"the control plane frozen", [](const Replicated& db) { return freeze({db.stack().server_pid()}); }, 2});
    out.push_back({"the CMS crashes", [](const Replicated& db) {
                       db.stack().restart_cms("immediate");
                       return nothing();
                   }});
    out.push_back(
        {"the Kubernetes API frozen", [](const Replicated& db) { return freeze({cluster_pid(db.stack())}); }, 2});
    out.push_back({"the topology deleted", [](const Replicated& db) {
                       db.delete_topology();
                       return nothing();
                   }});
    out.push_back({"a switchover is asked for", [](const Replicated& db) {
                       db.stack().call("POST", "/api/v1/instances/" + db.name() + "/switchover", Json::object());
                       return nothing();
                   }});
    return out;
}

int from_environment(const char* name, int otherwise) {
    const auto* text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
}

// That the second of two faults finds broken by the first what it would break is no failure of the trial.
Mend strike(const Fault& fault, const Replicated& db) {
    try {
        return fault.strike(db);
    } catch (const std::exception&) {
        return nothing();
    }
}

}  // namespace

TEST_CASE(
    "chaos: whatever dies, in whatever order, nothing acknowledged is lost and the instance is whole again by itself "
    "[jepsen; cnpg operator_unavailable_test; patroni dcs_failsafe_mode]",
    "[failover][chaos]") {
    const auto trials = from_environment("TOYGRES_CHAOS_TRIALS", 12);
    const auto seed = from_environment("TOYGRES_CHAOS_SEED", 1);
    Random random(static_cast<unsigned>(seed));
    const auto draw = [&](int from, int to) { return std::uniform_int_distribution(from, to)(random); };
    const auto faults = all_faults();

    Stack stack;
    stack.up();
    const Replicated db(stack, "chaos", {{"replication", true}, {"check_interval", "30s"}});
    REQUIRE(db.becomes_whole());
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    for (int trial = 1; trial <= trials; ++trial) {
        std::vector<Fault> struck{faults[static_cast<std::size_t>(draw(0, static_cast<int>(faults.size()) - 1))]};
        if (draw(1, 3) == 1)
            struck.push_back(faults[static_cast<std::size_t>(draw(0, static_cast<int>(faults.size()) - 1))]);
        std::ranges::sort(struck, {}, &Fault::rank);
        std::string what;
        for (const auto& fault : struck) what += (what.empty() ? "" : "; ") + fault.name;
        const auto apart = std::chrono::milliseconds(draw(0, 500));
        const auto duration = std::chrono::milliseconds(draw(200, 9'000));
        INFO("trial " << trial << " of seed " << seed << ": " << what << "; for " << duration.count() << " ms");
        ledger.forget_gaps();
        const auto began = std::chrono::steady_clock::now();

        std::vector<Mend> mends;
        bool lasting = false;
        for (const auto& fault : struck) {
            if (!mends.empty()) std::this_thread::sleep_for(apart);
            mends.push_back(strike(fault, db));
            lasting = lasting || fault.name.contains("frozen") || fault.name.contains("control plane");
        }
        if (lasting) std::this_thread::sleep_for(duration);
        for (const auto& mend : std::views::reverse(mends)) mend();

        REQUIRE(ledger.goes_on(20, 180));
        REQUIRE(db.becomes_whole(180));
        REQUIRE(ledger.goes_on());
        REQUIRE(ledger.missing() == "");
        REQUIRE(stack.broken_invariants() == "");
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
        std::cout << fmt::format("chaos {:>3}: epoch {:>3}, no row for {:>6} ms, whole after {:>6} ms: {}\n", trial,
                                 db.epoch(), ledger.longest_gap().count(), took.count(), what)
                  << std::flush;
    }
    ledger.stop();
    CHECK(ledger.missing() == "");
}
