// Trials of faults drawn at random while a client writes: after each, nothing acknowledged is missing, no two servers
// acknowledged at once, and the instance is whole again without a hand; meanwhile what must always hold does.
// TOYGRES_CHAOS_TRIALS (40) and TOYGRES_CHAOS_SEED (1) say how many and which.
#include "chaos_faults.hpp"
#include "ledger.hpp"
#include "sampler.hpp"
#include "scenario.hpp"
#include "small_volumes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <ranges>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

int from_environment(const char* name, int otherwise) {
    const auto* text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
}

const Json patient_policy = {{"crash_restart_grace_ms", 3000}, {"silence_ms", 6000}, {"standby_timeout_ms", 3000}};

// One or two faults, how far apart they begin, how long those that last do, and how soon a failover follows.
struct Trial {
    std::vector<Fault> faults;
    std::chrono::milliseconds apart;
    std::chrono::milliseconds duration;
    bool quick;

    std::string name() const {
        std::string out;
        for (const auto& fault : faults) out += (out.empty() ? "" : "; ") + fault.name;
        return out;
    }
};

Trial draw_trial(std::mt19937& random, const std::vector<Fault>& faults) {
    const auto draw = [&](int from, int to) { return std::uniform_int_distribution(from, to)(random); };
    const auto any = [&] { return faults[static_cast<std::size_t>(draw(0, static_cast<int>(faults.size()) - 1))]; };
    Trial out;
    out.faults.push_back(any());
    if (draw(1, 3) == 1) out.faults.push_back(any());
    if (out.faults.front().rank > out.faults.back().rank) std::ranges::reverse(out.faults);
    out.apart = std::chrono::milliseconds(draw(0, 500));
    out.duration = std::chrono::milliseconds(draw(200, 9'000));
    out.quick = draw(0, 1) == 1;
    return out;
}

// That the second of two faults finds broken by the first what it would break is no failure of the trial.
Mend strike(const Fault& fault, const Replicated& db) {
    try {
        return fault.strike(db);
    } catch (const std::exception&) {
        return [] {};
    }
}

void strike_and_mend(const Trial& trial, const Replicated& db) {
    std::vector<Mend> mends;
    for (const auto& fault : trial.faults) {
        if (!mends.empty()) std::this_thread::sleep_for(trial.apart);
        mends.push_back(strike(fault, db));
    }
    if (std::ranges::any_of(trial.faults, &Fault::lasts)) std::this_thread::sleep_for(trial.duration);
    for (const auto& mend : std::views::reverse(mends)) mend();
}

// The instance that is broken; its volumes can be filled where this process may mount.
struct Chaos {
    explicit Chaos(Stack& stack) {
        const Json body = {{"replication", true}, {"check_interval", "30s"}};
        if (may_mount())
            volumes = std::make_unique<SmallVolumes>(stack, "chaos", body);
        else
            plain = std::make_unique<Replicated>(stack, "chaos", body);
    }
    const Replicated& db() const { return volumes ? volumes->db() : *plain; }

    std::unique_ptr<SmallVolumes> volumes{};
    std::unique_ptr<Replicated> plain{};
};

}  // namespace

TEST_CASE(
    "chaos: whatever dies, in whatever order, nothing acknowledged is lost and the instance is whole again by itself "
    "[jepsen; cnpg operator_unavailable_test; patroni dcs_failsafe_mode]",
    "[failover][chaos]") {
    const auto trials = from_environment("TOYGRES_CHAOS_TRIALS", 40);
    const auto seed = from_environment("TOYGRES_CHAOS_SEED", 1);
    std::mt19937 random(static_cast<unsigned>(seed));

    Stack stack;
    stack.up();
    const Chaos chaos(stack);
    const auto& db = chaos.db();
    const auto faults = all_faults(chaos.volumes.get());
    REQUIRE(db.becomes_whole());
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    for (int number = 1; number <= trials; ++number) {
        const auto trial = draw_trial(random, faults);
        INFO("trial " << number << " of seed " << seed << ": " << trial.name() << "; for " << trial.duration.count()
                      << " ms, " << (trial.quick ? "quick, " : "patient, ") << trial.apart.count() << " ms apart");
        db.set_policy(trial.quick ? quick_policy : patient_policy);
        const Sampler sampler(db);
        ledger.forget_gaps();
        const auto began = std::chrono::steady_clock::now();
        strike_and_mend(trial, db);
        REQUIRE(ledger.goes_on());
        REQUIRE(db.becomes_whole());
        REQUIRE(ledger.goes_on());
        REQUIRE(ledger.missing() == "");
        REQUIRE(ledger.two_at_once() == "");
        REQUIRE(sampler.broken() == "");
        REQUIRE(sampler.looks() > 0);
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
        std::cout << fmt::format(
                         "chaos {:>3}: epoch {:>3}, no row for {:>6} ms, whole after {:>6} ms, {:>3} looks: {}\n",
                         number, db.epoch(), ledger.longest_gap().count(), took.count(), sampler.all_looks(),
                         trial.name())
                  << std::flush;
    }
    ledger.stop();
    CHECK(ledger.missing() == "");
    CHECK(ledger.two_at_once() == "");
    CHECK(stack.broken_invariants() == "");
}
