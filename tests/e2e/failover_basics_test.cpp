// What an instance with a standby is, and what it is not, before anything breaks.
#include "base/file.hpp"
#include "ha/topology.hpp"
#include "scenario.hpp"

#include <fmt/format.h>

#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

TEST_CASE(
    "create makes a primary and a standby that is proven to hold what is acknowledged [cnpg syncreplicas_test; patroni "
    "basic_replication 'check replication of a single table']",
    "[failover]") {
    const auto& db = at_rest();
    const auto status = db.stack().cli("replication status " + db.name());
    CHECK(status.code == 0);
    CHECK(status.output.contains("synced"));
    CHECK(setting(db, db.primary(), "synchronous_standby_names") == names_of(db));
    CHECK(setting(db, db.standby(), "synchronous_standby_names").empty());
    CHECK(db.value_at(db.primary(),
                      "SELECT string_agg(application_name || ' ' || sync_state, ',') "
                      "FROM pg_stat_replication WHERE state = 'streaming'") ==
          ha::stream_name(db.standby(), db.epoch()) + " quorum");
    CHECK(db.value_at(db.primary(), "SELECT string_agg(slot_name || ' ' || active, ',') FROM pg_replication_slots") ==
          ha::slot_name(db.standby()) + " true");
    CHECK(db.record().at("failover_safe") == true);
    CHECK(db.members_labelled("primary") == Strings{db.primary()});
    CHECK(db.members_labelled("replica") == Strings{db.standby()});
    // A Service follows the readiness of pods, which is looked at every few seconds.
    const auto leads_to = [&](const std::string& service, const std::string& member) {
        return eventually([&] { return db.addresses_behind(service) == Strings{db.address(member)}; });
    };
    CHECK(leads_to(db.k8s_name(), db.primary()));
    CHECK(leads_to(db.k8s_name() + "-ro", db.standby()));
    CHECK(db.stack().broken_invariants() == "");
}

TEST_CASE("a standby refuses writes [paf basic_operation 'writes on the standby are rejected']", "[failover]") {
    const auto& db = at_rest();
    try {
        db.value_at(db.standby(), "CREATE TABLE forbidden (n int)");
        FAIL("it was allowed");
    } catch (const pqxx::sql_error& e) {
        CHECK(e.sqlstate() == "25006");
    }
}

TEST_CASE("--no-replication: one server, and no change of roles is possible [zalando test_scaling]", "[failover]") {
    const Replicated db(shared_stack(), "alone", {{"replication", false}});
    CHECK(db.state() == "single");
    CHECK(db.members_labelled("primary") == Strings{db.primary()});
    CHECK(db.members_labelled("replica").empty());
    CHECK(setting(db, db.primary(), "synchronous_standby_names").empty());
    db.check_refused("switchover", {}, "bad_target");
    db.check_refused("failover", {{"force", true}, {"allow_data_loss", true}}, "bad_target");
    db.check_refused("resync", {}, "bad_target");
    db.check_refused("switchover", {{"target", "2"}}, "bad_target");
    remove(db);
}

TEST_CASE(
    "asynchronous: commits do not wait, and nothing is promoted by itself [cnpg fastfailover_test async; paf "
    "multi_async]",
    "[failover]") {
    const Replicated db(shared_stack(), "async", {{"replication_mode", "async"}});
    CHECK(db.becomes("catching_up"));
    db.set_policy(quick_policy);
    CHECK(setting(db, db.primary(), "synchronous_standby_names").empty());
    CHECK(db.value_at(db.primary(), "SELECT string_agg(sync_state, ',') FROM pg_stat_replication") == "async");
    CHECK(db.record().at("failover_safe") == false);
    db.check_refused("switchover", {}, "not_synced");

    const auto primary = db.primary();
    db.scale(primary, 0);
    CHECK(eventually([&] { return db.blocked().contains("asynchronous"); }));
    CHECK(db.epoch() == 1);
    db.check_refused("failover", {}, "not_failover_safe");
    // With the loss accepted it is done, and on record.
    const auto consented = db.ask("failover", {{"allow_data_loss", true}, {"reason", "test"}});
    INFO(consented.dump());
    CHECK(consented.at("state") == "succeeded");
    CHECK(db.epoch() == 2);
    CHECK(db.last_failover().at("kind") == "manual");
    CHECK(db.last_failover().at("status") == "completed");
    db.scale(primary, 1);
    CHECK(db.becomes("catching_up"));
    CHECK(writable(db) == Strings{db.primary()});
    remove(db);
}

TEST_CASE("secrets: no password of a replicated instance in the CMS, in a log, in ps, in the topology",
          "[failover][local]") {
    const auto& db = at_rest();
    const auto superuser = db.secret(db.k8s_name() + "-superuser", "password");
    const auto replication = db.secret(db.k8s_name() + "-replication", "password");
    const auto look = [&](const std::string& where, const std::string& text) {
        INFO(where);
        CHECK_FALSE(text.empty());
        CHECK_FALSE(text.contains(superuser));
        CHECK_FALSE(text.contains(replication));
    };
    const auto& directory = db.stack().directory;
    look("pg_dump", shell(fmt::format("pg_dump -h {}/cms -U toygres postgres", directory)).output);
    look("ps", shell("ps axeww").output);
    look("topology", db.topology());
    for (const auto* log : {"server.log", "cluster.log"}) look(log, read_file(directory + "/" + log).value_or(""));
    int logs = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory + "/cluster/logs")) {
        if (!entry.is_regular_file() || !entry.path().string().contains(db.k8s_name())) continue;
        const auto text = read_file(entry.path().string()).value_or("");
        if (text.empty()) continue;
        look(entry.path().string(), text);
        ++logs;
    }
    CHECK(logs >= 2);
}
