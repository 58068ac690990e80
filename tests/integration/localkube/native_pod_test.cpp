#include "node_fixture.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

std::string newest_major() {
    int newest = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql"))
        newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
    return std::to_string(newest);
}

Object value(const std::string& name, const std::string& text) { return {{"name", name}, {"value", text}}; }

Object password(const std::string& name, const std::string& key) {
    return {{"name", name}, {"valueFrom", {{"secretKeyRef", {{"name", "passwords"}, {"key", key}}}}}};
}

// A pod like any other, whose command is the agent.
Object native_pod(const std::string& name, const Object& role) {
    const Object mounts = Object::array({{{"name", "agent"}, {"mountPath", "/toygres"}},
                                         {{"name", "data"}, {"mountPath", "/var/lib/postgresql/data"}},
                                         {{"name", "socket"}, {"mountPath", "/run/postgresql"}},
                                         {{"name", "private"}, {"mountPath", "/run/toygres-private"}}});
    Object environment =
        Object::array({value("HA_MODE", "native"),
                       value("PGDATA", "/var/lib/postgresql/data/pgdata"),
                       password("POSTGRES_PASSWORD", "superuser"),
                       password("REPLICATION_PASSWORD", "replication"),
                       {{"name", "LISTEN_ADDRESS"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}});
    for (const auto& variable : role) environment.push_back(variable);
    const Object probe = {{"exec", {{"command", {"/toygres/toygres-agent", "probe"}}}}, {"periodSeconds", 1}};
    Object volumes = Object::array();
    for (const auto& mount : mounts) volumes.push_back({{"name", mount["name"]}, {"emptyDir", Object::object()}});
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", "default"}}},
            {"spec",
             {{"securityContext", {{"runAsUser", 999}, {"fsGroup", 999}, {"runAsNonRoot", true}}},
              {"automountServiceAccountToken", false},
              {"initContainers", Object::array({{{"name", "agent"},
                                                 {"image", "toygres-agent:test"},
                                                 {"command", {"/toygres-agent", "install", "/toygres"}},
                                                 {"volumeMounts", Object::array({mounts[0]})}}})},
              {"containers", Object::array({{{"name", "main"},
                                             {"image", "postgres:" + newest_major()},
                                             {"command", {"/toygres/toygres-agent"}},
                                             {"env", environment},
                                             {"readinessProbe", probe},
                                             {"volumeMounts", mounts}}})},
              {"volumes", volumes}}}};
}

std::string query(TestNode& cluster, const std::string& pod, const std::string& sql) {
    return cluster.exec(pod, {"psql", "-XAtq", "-c", sql}).first;
}

}  // namespace

TEST_CASE("native pod: two plain pods replicate by their environments") {
    TestNode cluster({}, std::string(TOYGRES_BINARY_DIR) + "/toygres-agent");
    cluster.create({{"kind", "Secret"},
                    {"metadata", {{"name", "passwords"}}},
                    {"data", {{"superuser", "aHVudGVyMg=="}, {"replication", "aHVudGVyMw=="}}}});
    cluster.create(native_pod("node-a", Object::array({value("REPLICATION_ROLE", "primary")})));
    cluster.until_ready("node-a");
    const auto address = text_at(*cluster.pod("node-a"), "status.podIP");
    cluster.create(
        native_pod("node-b", Object::array({value("REPLICATION_ROLE", "replica"), value("PRIMARY_HOST", address)})));
    cluster.until_ready("node-b");

    CHECK(query(cluster, "node-a", "CREATE TABLE kept AS SELECT 42 AS n") == "");
    cluster.until("the row is there", [&] { return query(cluster, "node-b", "SELECT n FROM kept") == "42\n"; });
    CHECK(query(cluster, "node-b", "SELECT pg_is_in_recovery()") == "t\n");
    // The pod's name is the node's.
    CHECK(query(cluster, "node-a", "SELECT application_name, state FROM pg_stat_replication") == "node-b|streaming\n");
    CHECK(cluster.exec("node-b", {"/toygres/toygres-agent", "promote"}).second == 0);
    CHECK(query(cluster, "node-b", "INSERT INTO kept VALUES (43)") == "");
}
