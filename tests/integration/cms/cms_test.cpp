#include "cms/instances.hpp"
#include "cms/migrator.hpp"
#include "cms/operations.hpp"
#include "cms/replication.hpp"
#include "cms/tokens.hpp"
#include "cms/watched.hpp"
#include "support/catch.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <thread>

using namespace toygres;
using namespace std::chrono_literals;

namespace {

struct Cms {
    Cms() {
        REQUIRE(cms::migrate(conninfo, "toygres_cms"));
        connection = value_or_raise(test::run(io, pg::Connection::connect(conninfo, "toygres_cms", "test", 5s)));
    }
    std::string reserve(const std::string& name) {
        static int count = 0;
        const auto k8s_name = fmt::format("{}-{:08x}", name, ++count);
        return value_or_raise(test::run(io, cms::reserve_instance(*connection,
                                                                  {name, k8s_name, "toygres", "15", 10, true, 30'000,
                                                                   Json::object(), "create-" + k8s_name},
                                                                  {"alice", "req-1"})));
    }
    template <class T> T ask(asio::awaitable<T> task) { return test::run(io, std::move(task)); }
    // The SQLSTATE with which a statement of an auditor's or an intruder's is refused; empty when it is not.
    std::string refused(const std::string& sql) {
        pqxx::connection direct(conninfo + " options='-c search_path=toygres_cms'");
        pqxx::work work(direct);
        try {
            work.exec(sql);
        } catch (const pqxx::sql_error& e) {
            return e.sqlstate();
        }
        return {};
    }

    std::string conninfo = test::shared_postgres().create_database();
    asio::io_context io;
    std::unique_ptr<pg::Connection> connection;
};

const cms::Actor actor{"test", "req-2"};

}  // namespace

TEST_CASE("migrator: runs once, is idempotent, notices a changed schema and one that later releases took from") {
    const auto conninfo = test::shared_postgres().create_database();
    const auto first = cms::migrate(conninfo, "toygres_cms");
    REQUIRE(first);
    CHECK(first->applied == first->version);
    CHECK(cms::migrate(conninfo, "toygres_cms")->applied == 0);
    CHECK(cms::migrate(conninfo, "another_schema")->applied == first->applied);
    pqxx::connection direct(conninfo);
    const auto note = [&](const std::string& values) {
        pqxx::work work(direct);
        work.exec("INSERT INTO toygres_cms.schema_migrations VALUES " + values);
        work.commit();
    };
    note("(9998, '9998_future.sql', 'x')");
    const auto ahead = cms::migrate(conninfo, "toygres_cms");
    REQUIRE(ahead);
    CHECK(ahead->applied == 0);
    CHECK(ahead->version == 9998);
    note("(9999, '9999_contract_past.sql', 'x')");
    const auto taken_from = cms::migrate(conninfo, "toygres_cms").error();
    CHECK(taken_from.code == "schema_too_new");
    CHECK(taken_from.message.contains("9999_contract_past.sql"));
    {
        pqxx::work work(direct);
        work.exec(
            "DELETE FROM toygres_cms.schema_migrations WHERE number = 9999; "
            "UPDATE toygres_cms.schema_migrations SET sha256 = 'other' WHERE number = 1");
        work.commit();
    }
    CHECK(cms::migrate(conninfo, "toygres_cms").error().code == "migration_changed");
    CHECK(cms::migrate("host=127.0.0.1 port=1 user=x", "toygres_cms").error().kind == ErrorKind::transient);
}

TEST_CASE("cms: a name is held by one live instance, and the refusal tells who holds it") {
    Cms c;
    const auto id = c.reserve("db");
    const auto again = c.ask(cms::reserve_instance(
        *c.connection, {"db", "db-ffffffff", "toygres", "15", 10, true, 30'000, Json::object(), "x"}, actor));
    REQUIRE(!again);
    CHECK(again.error().code == "name_taken");
    CHECK(again.error().details.at("state") == "creating");
    for (const auto* state : {"failed", "deleting"}) {
        value_or_raise(c.ask(cms::set_state(*c.connection, id, state, actor, std::nullopt, "x")));
        const auto still = c.ask(cms::reserve_instance(
            *c.connection, {"db", "db-eeeeeeee", "toygres", "15", 10, true, 30'000, Json::object(), "x"}, actor));
        REQUIRE(!still);
        CHECK(still.error().details.at("state") == state);
    }
    value_or_raise(c.ask(cms::set_state(*c.connection, id, "deleted", actor, std::nullopt, "gone")));
    CHECK(!c.reserve("db").empty());
}

TEST_CASE("cms: state changes by the table of transitions only, each with its event") {
    Cms c;
    const auto id = c.reserve("db");
    CHECK(c.ask(cms::set_state(*c.connection, id, "deleted", actor, std::nullopt, "x")).error().code ==
          "illegal_transition");
    CHECK(c.ask(cms::set_state(*c.connection, id, "running", actor, "op-1", "up")).value());
    CHECK_FALSE(c.ask(cms::set_state(*c.connection, id, "running", actor, "op-1", "up")).value());
    CHECK(c.ask(cms::set_state(*c.connection, id, "failed", actor, std::nullopt, "x")).error().code ==
          "illegal_transition");
    CHECK(c.ask(cms::set_state(*c.connection, "00000000-0000-0000-0000-000000000000", "running", actor, std::nullopt,
                               "x"))
              .error()
              .code == "instance_not_found");
    const auto events = value_or_raise(c.ask(cms::timeline(*c.connection, id, 10)));
    REQUIRE(events.size() == 2);
    CHECK(events[0].actor == "alice");
    CHECK(events[0].request_id == "req-1");
    CHECK(events[1].change == "creating -> running");
    CHECK(events[1].operation_id == "op-1");
}

TEST_CASE("cms: nobody changes state past the function, or the audit at all") {
    Cms c;
    c.reserve("db");
    CHECK(c.refused("UPDATE instances SET state = 'running'") == "TG002");
    CHECK(c.refused("UPDATE instances SET health_status = 'healthy'") == "TG002");
    CHECK(c.refused("DELETE FROM instances") == "TG002");
    CHECK(c.refused("UPDATE instance_events SET message = 'nothing happened'") == "TG002");
    CHECK(c.refused("DELETE FROM instance_events") == "TG002");
    CHECK(c.refused("TRUNCATE instance_events") == "TG002");
    CHECK(c.refused("UPDATE history SET events = '[]'") == "TG002");
    CHECK(c.refused("UPDATE instances SET tags = '{\"a\": \"b\"}'").empty());
}

TEST_CASE("cms: the timeline of a deleted instance still tells all") {
    Cms c;
    const auto id = c.reserve("db");
    for (const auto* state : {"running", "deleting", "deleted"})
        value_or_raise(c.ask(cms::set_state(*c.connection, id, state, actor, std::nullopt, state)));
    CHECK(c.ask(cms::find_instance(*c.connection, "db")).error().code == "instance_not_found");
    const auto found = value_or_raise(c.ask(cms::find_instance(*c.connection, "db", true)));
    CHECK(found.state == "deleted");
    CHECK(found.deleted_at);
    CHECK(value_or_raise(c.ask(cms::timeline(*c.connection, id, 10))).size() == 4);
}

TEST_CASE("operations: one of a kind at a time, each idempotency key once, an ended one stays ended") {
    Cms c;
    const auto id = c.reserve("db");
    const auto insert = [&](const std::string& op, std::optional<std::string> key) {
        return c.ask(cms::insert_operation(*c.connection,
                                           {op, "create_instance", id, "create-x", "alice", "r", std::move(key), "d"}));
    };
    REQUIRE(insert("op-1", "k"));
    CHECK(insert("op-2", std::nullopt).error().code == "operation_in_progress");
    value_or_raise(c.ask(cms::finish_operation(*c.connection, "op-1", "succeeded", {{"a", 1}}, {})));
    value_or_raise(c.ask(cms::finish_operation(*c.connection, "op-1", "failed", {}, {})));
    CHECK(value_or_raise(c.ask(cms::get_operation(*c.connection, "op-1"))).state == "succeeded");
    CHECK(insert("op-3", "k").error().code == "idempotency_key_used");
    CHECK(value_or_raise(c.ask(cms::find_by_key(*c.connection, "alice", "k")))->id == "op-1");
}

TEST_CASE("tokens: found by what they are, not after expiry or revocation, never stored in clear") {
    Cms c;
    const auto create = [&](const std::string& name, std::optional<Timestamp> expires_at) {
        return c.ask(cms::create_token(*c.connection, {name, "operator", "team-a", expires_at}));
    };
    const auto token = value_or_raise(create("ci", std::nullopt));
    const auto found = value_or_raise(c.ask(cms::find_token(*c.connection, token)));
    CHECK(found->role == "operator");
    CHECK(found->owner == "team-a");
    CHECK(!value_or_raise(c.ask(cms::find_token(*c.connection, Secret("tgr_guess")))));
    const auto expired = value_or_raise(create("old", now() - 1s));
    CHECK(!value_or_raise(c.ask(cms::find_token(*c.connection, expired))));
    CHECK(create("ci", std::nullopt).error().code == "token_exists");
    value_or_raise(c.ask(cms::revoke_token(*c.connection, "ci")));
    CHECK(!value_or_raise(c.ask(cms::find_token(*c.connection, token))));
    CHECK(c.ask(cms::revoke_token(*c.connection, "ci")).error().code == "token_not_found");
    pqxx::connection direct(c.conninfo);
    pqxx::work work(direct);
    CHECK(work.exec("SELECT * FROM toygres_cms.api_tokens WHERE token_sha256 LIKE 'tgr_%'").empty());
}

TEST_CASE("tokens: what the server of the release before writes gets the role that it meant") {
    Cms c;
    pqxx::connection direct(c.conninfo + " options='-c search_path=toygres_cms'");
    pqxx::work work(direct);
    work.exec("INSERT INTO api_tokens (name, token_sha256, scope) VALUES ('r', 'a', 'read'), ('w', 'b', 'write')");
    work.exec("INSERT INTO api_tokens (name, token_sha256) VALUES ('kept', 'c')");
    work.exec("INSERT INTO api_tokens (name, token_sha256, role) VALUES ('op', 'd', 'operator')");
    std::string seen;
    for (const auto& row : work.exec("SELECT concat_ws(' ', name, role, scope, owner) FROM api_tokens ORDER BY name"))
        seen += row[0].as<std::string>() + "\n";
    CHECK(seen == "kept admin write kept\nop operator read op\nr viewer read r\nw admin write w\n");
}

TEST_CASE("cms: v_invariants names what is wrong and is empty when all is well") {
    Cms c;
    pqxx::connection direct(c.conninfo + " options='-c search_path=toygres_cms'");
    const auto violations = [&] {
        pqxx::work work(direct);
        std::vector<std::string> out;
        for (const auto& row : work.exec("SELECT violation FROM v_invariants")) out.push_back(row[0].as<std::string>());
        return out;
    };
    CHECK(violations().empty());
    const auto id = c.reserve("db");
    CHECK(violations().empty());
    value_or_raise(c.ask(cms::set_state(*c.connection, id, "running", actor, std::nullopt, "up")));
    CHECK(violations() == std::vector<std::string>{"running instance without its monitor",
                                                   "running instance without exactly one primary",
                                                   "running instance without a replication record"});
}

TEST_CASE("cms: health partitions are made ahead, once") {
    Cms c;
    value_or_raise(c.ask(cms::make_health_partitions(*c.connection, 3)));
    value_or_raise(c.ask(cms::make_health_partitions(*c.connection, 3)));
    pqxx::connection direct(c.conninfo);
    pqxx::work work(direct);
    CHECK(
        work
            .exec(
                "SELECT count(*) FROM pg_inherits WHERE inhparent = 'toygres_cms.instance_health_checks'::regclass")[0]
                                                                                                                    [0]
            .as<int>() == 4);
}

TEST_CASE("cms: the record of health goes a day at a time, what is in use stays for the next time") {
    Cms c;
    const auto id = c.reserve("db");
    pqxx::connection direct(c.conninfo + " options='-c search_path=toygres_cms'");
    {
        pqxx::work work(direct);
        for (const auto* day : {"20200101", "20200102"})
            work.exec(
                fmt::format("CREATE TABLE instance_health_checks_{0} PARTITION OF instance_health_checks FOR "
                            "VALUES FROM ('{0}') TO (date '{0}' + 1)",
                            day));
        work.exec(
            fmt::format("INSERT INTO instance_health_checks (instance_id, kind, status, checked_at) SELECT '{}', "
                        "'rollup', 'healthy', at FROM unnest(ARRAY['2020-01-01 12:00', '2020-01-02 12:00', "
                        "'2020-01-09 12:00', '2020-01-09 13:00', now() - interval '29 days', now()]::timestamptz[]) "
                        "at",
                        id));
        work.commit();
    }
    const auto left = [&] {
        pqxx::work work(direct);
        return work.exec("SELECT count(*) FROM instance_health_checks")[0][0].as<int>();
    };
    const auto prune = [&](int batch) {
        return value_or_raise(c.ask(cms::prune_health(*c.connection, std::chrono::days(30), batch)));
    };
    value_or_raise(c.ask(cms::make_health_partitions(*c.connection, 2)));
    {
        pqxx::connection reader(c.conninfo + " options='-c search_path=toygres_cms'");
        pqxx::work reading(reader);
        reading.exec("SELECT count(*) FROM instance_health_checks_20200102");
        CHECK(prune(1) == 0);
        CHECK(left() == 6);
    }
    CHECK(prune(1) == 3);
    CHECK(left() == 3);
    CHECK(prune(10) == 1);
    CHECK(prune(10) == 0);
    CHECK(left() == 2);
    // Today's and the next days are there still.
    value_or_raise(c.ask(
        cms::record_health(*c.connection, id, {.kind = "rollup", .status = "healthy", .checks = 1, .failures = 0})));
    CHECK(left() == 3);
}

TEST_CASE("migrator: two at once on an empty database apply each migration once") {
    const auto conninfo = test::shared_postgres().create_database();
    Result<cms::MigrationReport> first;
    std::thread other([&] { first = cms::migrate(conninfo, "toygres_cms"); });
    const auto second = cms::migrate(conninfo, "toygres_cms");
    other.join();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->version == second->version);
    CHECK(first->applied + second->applied == first->version);
}

namespace {

Json record(const std::string& state, int epoch, int revision, const std::string& primary, const Json& armed,
            bool safe) {
    return {{"state", state},     {"epoch", epoch},        {"revision", revision},        {"primary", primary},
            {"armed", armed},     {"failover_safe", safe}, {"members", {"db-1", "db-2"}}, {"old_primary", ""},
            {"request", nullptr}, {"failover", ""}};
}

}  // namespace

TEST_CASE("cms: a replication record changes only from what was seen, with its event, and never against the rules") {
    Cms c;
    const auto id = c.reserve("db");
    value_or_raise(c.ask(
        cms::insert_replication(*c.connection, id, record("arming", 1, 3, "db-1", {"db-2"}, false), Json::object())));
    const auto advance = [&](const char* seen_state, int epoch, int revision, Json wanted) {
        return c.ask(cms::advance_replication(*c.connection, id,
                                              {.seen_state = seen_state,
                                               .seen_epoch = epoch,
                                               .seen_revision = revision,
                                               .record = std::move(wanted),
                                               .event = "test",
                                               .actor = "test",
                                               .operation = std::nullopt,
                                               .reason = "because",
                                               .evidence = {{"why", 1}}}));
    };
    // Another process was faster: nothing happens, nothing is noted.
    CHECK_FALSE(value_or_raise(advance("arming", 1, 2, record("synced", 1, 3, "db-1", {"db-2"}, true))));
    CHECK_FALSE(value_or_raise(advance("synced", 1, 3, record("degraded", 1, 4, "db-1", Json::array(), false))));
    // A promotion of a member that is not proven to hold everything.
    CHECK(advance("arming", 1, 3, record("failing_over", 2, 4, "db-2", Json::array(), false)).error().code ==
          "illegal_transition");
    // A reign that goes back.
    CHECK(advance("arming", 1, 3, record("synced", 1, 2, "db-1", {"db-2"}, true)).error().code == "illegal_transition");
    CHECK(value_or_raise(advance("arming", 1, 3, record("synced", 1, 3, "db-1", {"db-2"}, true))));
    auto failing = record("failing_over", 2, 4, "", {"db-2"}, true);
    failing["old_primary"] = "db-1";
    CHECK(value_or_raise(advance("synced", 1, 3, failing)));
    CHECK(value_or_raise(advance("failing_over", 2, 4, record("failing_over", 2, 5, "db-2", Json::array(), false))));
    pqxx::connection direct(c.conninfo + " options='-c search_path=toygres_cms'");
    pqxx::work work(direct);
    CHECK(work.exec("SELECT count(*) FROM replication_events")[0][0].as<int>() == 3);
    CHECK(work.exec("SELECT epoch || primary_k8s_name FROM instances")[0][0].as<std::string>() == "2db-2");
    CHECK(work.exec("SELECT string_agg(role, ' ' ORDER BY ordinal) FROM members")[0][0].as<std::string>() ==
          "replica primary");
    work.commit();
    CHECK(c.refused("UPDATE replication_events SET message = 'x'") == "TG002");
    CHECK(c.refused("DELETE FROM replication") == "TG002");
    CHECK(c.refused("UPDATE replication SET record = jsonb_set(record, '{failover_safe}', 'true')") == "23514");
}

TEST_CASE("cms: a monitor reads its instance, its record and what holds for all in one query") {
    Cms c;
    const auto id = c.reserve("db");
    CHECK(c.ask(cms::get_watched(*c.connection, id)).error().code == "instance_not_found");
    const auto stored = record("synced", 1, 3, "db-1", {"db-2"}, true);
    value_or_raise(c.ask(cms::insert_replication(*c.connection, id, stored, {{"custom_check", "SELECT true"}})));
    value_or_raise(c.ask(cms::put_request(*c.connection, id, {{"kind", "switchover"}})));
    value_or_raise(c.ask(cms::set_alerts(*c.connection, id, {{{"kind", "lag"}}})));
    value_or_raise(c.ask(cms::set_replication_lag(*c.connection, id, 7)));
    const auto read = value_or_raise(c.ask(cms::get_watched(*c.connection, id)));
    const auto row = value_or_raise(c.ask(cms::get_instance(*c.connection, id)));
    const auto& replication = read.replication;
    const auto alone = value_or_raise(c.ask(cms::get_replication(*c.connection, id)));
    CHECK(read.name == "db");
    CHECK(read.state == row.state);
    CHECK(read.postgres_version == "15");
    CHECK(read.storage_size_gb == 10);
    CHECK(read.use_load_balancer);
    CHECK(read.placement == row.placement);
    CHECK(replication.record == alone.record);
    CHECK(replication.policy == alone.policy);
    CHECK(replication.request == alone.request);
    CHECK(replication.blocked == alone.blocked);
    CHECK(replication.updated_at == alone.updated_at);
    CHECK(replication.read_at <= alone.read_at);
    CHECK(replication.lag_bytes == 7);
    CHECK(replication.checked_at == alone.checked_at);
    CHECK(replication.alerts == alone.alerts);
    CHECK(read.automatic_failover);
    value_or_raise(c.ask(cms::set_fleet_failover(*c.connection, false, "exercise", "alice", "req-1")));
    CHECK(!value_or_raise(c.ask(cms::get_watched(*c.connection, id))).automatic_failover);
}

TEST_CASE("cms: an instance has one request at a time") {
    Cms c;
    const auto id = c.reserve("db");
    value_or_raise(c.ask(
        cms::insert_replication(*c.connection, id, record("synced", 1, 3, "db-1", {"db-2"}, true), Json::object())));
    value_or_raise(c.ask(cms::put_request(*c.connection, id, {{"kind", "switchover"}})));
    CHECK(c.ask(cms::put_request(*c.connection, id, {{"kind", "failover"}})).error().code == "request_pending");
    CHECK(value_or_raise(c.ask(cms::get_replication(*c.connection, id))).request.at("kind") == "switchover");
    value_or_raise(c.ask(cms::clear_request(*c.connection, id)));
    value_or_raise(c.ask(cms::put_request(*c.connection, id, {{"kind", "failover"}})));
}

TEST_CASE("cms: a change of roles is kept with its steps") {
    Cms c;
    const auto id = c.reserve("db");
    value_or_raise(c.ask(cms::begin_failover(*c.connection, id,
                                             {.id = "fo-1",
                                              .kind = "automatic",
                                              .status = "fencing_primary",
                                              .old_primary = "db-1",
                                              .new_primary = std::nullopt,
                                              .epoch = 2,
                                              .reason = "the primary is down",
                                              .data_loss_bytes = std::nullopt,
                                              .operation = std::nullopt,
                                              .inputs = Json::object()})));
    value_or_raise(c.ask(cms::move_failover(*c.connection, "fo-1", "promoting_replica", "db-2", 2, 0)));
    value_or_raise(c.ask(cms::move_failover(*c.connection, "fo-1", "completed", "db-2", 2, std::nullopt)));
    // What has ended stays as it is.
    value_or_raise(c.ask(cms::move_failover(*c.connection, "fo-1", "failed", "db-9", 3, 7)));
    const auto found = value_or_raise(c.ask(cms::list_failovers(*c.connection, id, 10)));
    REQUIRE(found.size() == 1);
    CHECK(found[0].status == "completed");
    CHECK(found[0].new_primary == "db-2");
    CHECK(found[0].data_loss_bytes == 0);
    CHECK(found[0].steps.size() == 3);
    CHECK(found[0].completed_at);
}
