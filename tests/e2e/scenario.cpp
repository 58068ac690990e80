#include "scenario.hpp"

#include "ha/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace toygres::test {

namespace {

std::unique_ptr<Replicated>& resting() {
    static std::unique_ptr<Replicated> db;
    return db;
}

Strings sorted(Strings words) {
    std::ranges::sort(words);
    return words;
}

Strings standby_addresses(const Replicated& db) {
    Strings out;
    for (const auto& member : db.record().at("members").get<Strings>())
        if (member != db.primary()) out.push_back(db.address(member));
    return sorted(out);
}

}  // namespace

const Json quick_policy = {{"cooldown_ms", 0},
                           {"crash_restart_grace_ms", 1000},
                           {"silence_ms", 2000},
                           {"standby_timeout_ms", 1000},
                           {"disk_reserve_bytes", 32 << 20}};

const Replicated& at_rest() {
    static int number = 0;
    auto& db = resting();
    if (!db || !db->becomes_whole(60)) {
        // In a cluster that stays, the suites before this one may have left theirs.
        std::string name;
        do name = fmt::format("failover{}", ++number);
        while (shared_stack().call("GET", "/api/v1/instances/" + name).status == 200);
        db = std::make_unique<Replicated>(shared_stack(), name);
    }
    db->set_policy(quick_policy);
    REQUIRE(db->becomes_whole());
    return *db;
}

void forget_at_rest() { resting().reset(); }

Scene::Scene(const Replicated& replicated, LedgerOptions options)
    : db(replicated),
      ledger(db.conninfo(), options),
      primary(db.primary()),
      standby(db.standby()),
      epoch(db.epoch()),
      failovers(db.failovers()),
      completed_failovers(db.completed_failovers()) {
    REQUIRE(ledger.goes_on());
}

void Scene::check_end(int changes) {
    test::check_end(db, ledger);
    CHECK(db.epoch() == epoch + changes);
    CHECK(db.failovers() == failovers + changes);
    if (changes > 0) CHECK(db.last_failover().at("status") == "completed");
    CHECK(ledger.acknowledged_by().size() <= static_cast<std::size_t>(changes) + 1);
}

void Scene::check_end_after_one_at_most() {
    test::check_end(db, ledger);
    CHECK(db.epoch() <= epoch + 1);
    // A primary that is told to stop may have begun to hand over to a standby that went as well.
    CHECK(db.completed_failovers() - completed_failovers == db.epoch() - epoch);
    CHECK((db.epoch() == epoch) == (db.primary() == primary));
}

void check_end(const Replicated& db, Ledger& ledger) {
    CHECK(ledger.goes_on());
    CHECK(db.becomes_whole());
    CHECK(ledger.goes_on());
    ledger.stop();
    CHECK(ledger.missing() == "");
    CHECK(ledger.two_at_once() == "");
    CHECK(writable(db) == Strings{db.primary()});
    // A pod that stood still is behind its Service again when its probe has said so.
    CHECK(eventually([&] { return db.addresses_behind(db.k8s_name()) == Strings{db.address(db.primary())}; }));
    CHECK(eventually([&] { return sorted(db.addresses_behind(db.k8s_name() + "-ro")) == standby_addresses(db); }));
    CHECK(db.stack().broken_invariants() == "");
}

Strings writable(const Replicated& db) {
    Strings out;
    for (const auto& member : db.record().at("members").get<Strings>())
        if (answer_of(db, member, "SELECT pg_is_in_recovery()") == "f") out.push_back(member);
    return out;
}

std::string answer_of(const Replicated& db, const std::string& member, const std::string& query) {
    try {
        return db.value_at(member, query);
    } catch (const std::exception&) {
        return {};
    }
}

std::string setting(const Replicated& db, const std::string& member, const std::string& name) {
    return db.value_at(member, fmt::format("SELECT current_setting('{}')", name));
}

std::string names_of(const Replicated& db) { return ha::synchronous_names({db.standby()}, db.epoch()); }

void remove(const Replicated& db) {
    CHECK(db.stack().wait_operation(db.stack().remove(db.name())).at("state") == "succeeded");
    CHECK(db.objects().empty());
    CHECK(db.open_failovers() == 0);
    CHECK(eventually([&] { return db.volumes().empty(); }));
    CHECK(db.stack().broken_invariants() == "");
}

void signal_all(const std::vector<int>& pids, int number) {
    for (const auto pid : pids)
        if (pid > 0) ::kill(pid, number);
}

Frozen::Frozen(std::vector<int> pids) : pids_(std::move(pids)) {
    REQUIRE_FALSE(pids_.empty());
    REQUIRE(std::ranges::all_of(pids_, [](int pid) { return pid > 0; }));
    signal_all(pids_, SIGSTOP);
}

Frozen::~Frozen() { thaw(); }

void Frozen::thaw() { signal_all(std::exchange(pids_, {}), SIGCONT); }

}  // namespace toygres::test
