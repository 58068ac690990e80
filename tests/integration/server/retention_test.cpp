// What is past its time goes from a real server's database, and nothing else does.
#include "base/file.hpp"
#include "live_server.hpp"

#include <pqxx/pqxx>

using namespace toygres;
using namespace toygres::test;

namespace {

class Database {
  public:
    explicit Database(const std::string& conninfo) : session_(conninfo + " options='-c search_path=toygres_cms'") {}
    void run(const std::string& sql) {
        pqxx::work work(session_);
        work.exec(sql);
        work.commit();
    }
    int count(const std::string& from) {
        pqxx::work work(session_);
        return work.exec("SELECT count(*) FROM " + from)[0][0].as<int>();
    }

  private:
    pqxx::connection session_;
};

// Its creation has ended: somebody ended it.
void make_ended(LiveServer& server, const std::string& name) {
    const auto made = server.call("POST", "/api/v1/instances", {{"name", name}});
    REQUIRE(made.status == 202);
    const auto orchestration =
        value_or_raise(parse_json(made.body)).at("operation").at("orchestration").get<std::string>();
    const auto ended =
        server.call("POST", "/api/v1/orchestrations/" + orchestration + "/terminate", {{"reason", "not wanted"}});
    INFO(ended.body);
    REQUIRE(ended.status / 100 == 2);
}

}  // namespace

TEST_CASE("retention: a server takes away what is past its time, and nothing else") {
    const auto conninfo = shared_postgres().create_database();
    LiveServer before(conninfo);
    Database database(conninfo);
    make_ended(before, "old");
    make_ended(before, "young");
    const auto key = before.directory() + "/kept.key";
    value_or_raise(write_file_atomically(key, value_or_raise(read_file(before.seal_key_file())), 0600));
    REQUIRE(eventually([&] {
        return database.count(
                   "orchestrations WHERE name = 'create_instance' AND finished_at > now() - interval "
                   "'1 day'") == 2;
    }));
    CHECK(before.stop().ok());

    database.run("UPDATE orchestrations SET finished_at = now() - interval '31 days' WHERE id LIKE 'create-old-%'");
    database.run(
        "INSERT INTO audit_log (at, peer, action, outcome, request_id) SELECT now() - age, '192.0.2.1', 'test', "
        "'done', 'req-1' FROM unnest(ARRAY['366 days', '364 days']::interval[]) age");
    database.run(
        "CREATE TABLE instance_health_checks_20200101 PARTITION OF instance_health_checks FOR VALUES FROM "
        "('20200101') TO ('20200102')");
    database.run(
        "INSERT INTO instance_health_checks (instance_id, kind, status, checked_at) SELECT id, 'rollup', 'healthy', at "
        "FROM instances, unnest(ARRAY['2020-01-01 12:00', now()]::timestamptz[]) at WHERE user_name = 'young'");
    CHECK(database.count("history JOIN orchestrations USING (key) WHERE id LIKE 'create-old-%'") > 0);

    const LiveServer after(conninfo, key);
    CHECK(eventually([&] { return database.count("orchestrations WHERE id LIKE 'create-old-%'") == 0; }));
    CHECK(eventually([&] { return database.count("audit_log WHERE action = 'test'") == 1; }));
    CHECK(eventually([&] { return database.count("instance_health_checks") == 1; }));
    CHECK(database.count("orchestrations WHERE id LIKE 'create-young-%'") == 1);
    CHECK(database.count("history WHERE key NOT IN (SELECT key FROM orchestrations)") == 0);
    // The instance itself, and what happened to it, stay.
    CHECK(database.count("instances WHERE user_name = 'old'") == 1);
    CHECK(database.count("instance_events e JOIN instances i ON i.id = e.instance_id WHERE i.user_name = 'old'") > 0);
}

TEST_CASE("readiness: without Kubernetes a server lives, and is not ready") {
    LiveServer server(shared_postgres().create_database());
    CHECK(server.call("GET", "/livez").status == 200);
    // Its database and its runtime are there soon; its cluster never is.
    const auto checks = [&] {
        const auto answer = server.call("GET", "/readyz");
        CHECK(answer.status == 503);
        return value_or_raise(parse_json(answer.body)).at("checks");
    };
    CHECK(eventually([&] { return checks() == Json{{"database", true}, {"kubernetes", false}, {"runtime", true}}; }));
    CHECK(checks().at("kubernetes") == false);
}
