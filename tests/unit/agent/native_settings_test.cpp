#include "native_environment.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::agent;
using namespace toygres::test;

namespace {

// The one problem that this change makes; its variable, and a word of what it says.
struct Rule {
    const char* name;
    std::function<void(Environment&, const std::string& root)> change;
    const char* variable;
    const char* word;
};

void set(Environment& e, const std::string& name, const std::string& value) { e[name] = value; }

const std::vector<Rule> rules{
    {"another mode", [](auto& e, auto&) { set(e, "HA_MODE", "patroni"); }, "HA_MODE", "native"},
    {"Patroni beside it", [](auto& e, auto&) { set(e, "USE_PATRONI", "true"); }, "USE_PATRONI", "false"},
    {"Citus beside it", [](auto& e, auto&) { set(e, "USE_CITUS", "true"); }, "USE_CITUS", "false"},
    {"no role", [](auto& e, auto&) { e.erase("REPLICATION_ROLE"); }, "REPLICATION_ROLE", "primary or replica"},
    {"another role", [](auto& e, auto&) { set(e, "REPLICATION_ROLE", "leader"); }, "REPLICATION_ROLE", "leader"},
    {"a replica of nobody", [](auto& e, auto&) { set(e, "PRIMARY_HOST", ""); }, "PRIMARY_HOST", "replica needs it"},
    {"a replica of two", [](auto& e, auto&) { set(e, "PRIMARY_HOST", "a,b"); }, "PRIMARY_HOST", "one host"},
    {"a replica of itself", [](auto& e, auto&) { set(e, "PRIMARY_HOST", "node-b"); }, "PRIMARY_HOST", "own name"},
    {"a port of letters", [](auto& e, auto&) { set(e, "PRIMARY_PORT", "5432x"); }, "PRIMARY_PORT", "65535"},
    {"port 0", [](auto& e, auto&) { set(e, "LISTEN_PORT", "0"); }, "LISTEN_PORT", "65535"},
    {"a port too high", [](auto& e, auto&) { set(e, "STATUS_PORT", "65536"); }, "STATUS_PORT", "65535"},
    {"one port for both", [](auto& e, auto&) { set(e, "STATUS_PORT", "5432"); }, "STATUS_PORT", "LISTEN_PORT"},
    {"no address", [](auto& e, auto&) { set(e, "LISTEN_ADDRESS", "localhost"); }, "LISTEN_ADDRESS", "IPv4"},
    {"a name with dots", [](auto& e, auto&) { set(e, "NODE_NAME", "b.example"); }, "NODE_NAME", "lower-case"},
    {"a name too long", [](auto& e, auto&) { set(e, "NODE_NAME", std::string(61, 'a')); }, "NODE_NAME", "60"},
    {"no superuser's password", [](auto& e, auto&) { e.erase("POSTGRES_PASSWORD_FILE"); }, "POSTGRES_PASSWORD_FILE",
     "not set"},
    {"no replication password", [](auto& e, auto&) { e.erase("REPLICATION_PASSWORD_FILE"); },
     "REPLICATION_PASSWORD_FILE", "not set"},
    {"a password twice", [](auto& e, auto&) { set(e, "REPLICATION_PASSWORD", "x"); }, "REPLICATION_PASSWORD",
     "remove one"},
    {"a password file that is not there", [](auto& e, auto&) { set(e, "POSTGRES_PASSWORD_FILE", "/nowhere"); },
     "POSTGRES_PASSWORD_FILE", "cannot be read"},
    {"an empty password",
     [](auto& e, auto& root) {
         REQUIRE(write_file_atomically(root + "/empty", "\n"));
         set(e, "POSTGRES_PASSWORD_FILE", root + "/empty");
     },
     "POSTGRES_PASSWORD_FILE", "empty"},
    {"a password of two lines",
     [](auto& e, auto&) {
         e.erase("POSTGRES_PASSWORD_FILE");
         set(e, "POSTGRES_PASSWORD", "a\nb");
     },
     "POSTGRES_PASSWORD", "one line"},
    {"a user that pg_hba.conf would misread", [](auto& e, auto&) { set(e, "REPLICATION_USER", "all"); },
     "REPLICATION_USER", "not all"},
    {"a user that needs quotes", [](auto& e, auto&) { set(e, "POSTGRES_USER", "Ad min"); }, "POSTGRES_USER",
     "lower-case"},
    {"one user for both",
     [](auto& e, auto&) {
         set(e, "POSTGRES_USER", "admin");
         set(e, "REPLICATION_USER", "admin");
     },
     "REPLICATION_USER", "of its own"},
    {"a superuser that replicates", [](auto& e, auto&) { set(e, "REPLICATION_USER", "postgres"); }, "REPLICATION_USER",
     "superuser"},
    {"a standby of itself", [](auto& e, auto&) { set(e, "SYNCHRONOUS_STANDBY_NAMES", "node-c, node-b"); },
     "SYNCHRONOUS_STANDBY_NAMES", "node-b"},
    {"a standby twice", [](auto& e, auto&) { set(e, "SYNCHRONOUS_STANDBY_NAMES", "node-c,node-c"); },
     "SYNCHRONOUS_STANDBY_NAMES", "each once"},
    {"standbys as PostgreSQL writes them", [](auto& e, auto&) { set(e, "SYNCHRONOUS_STANDBY_NAMES", "FIRST 1 (c)"); },
     "SYNCHRONOUS_STANDBY_NAMES", "commas"},
    {"no data directory", [](auto& e, auto&) { e.erase("PGDATA"); }, "PGDATA", "not set"},
    {"a data directory somewhere", [](auto& e, auto&) { set(e, "PGDATA", "volume/pgdata"); }, "PGDATA", "absolute"},
    {"a data directory below /", [](auto& e, auto&) { set(e, "PGDATA", "/pgdata"); }, "PGDATA", "below the volume"},
    {"no volume", [](auto& e, auto& root) { set(e, "PGDATA", root + "/nowhere/pgdata"); }, "PGDATA", "cannot be"},
    {"no private directory", [](auto& e, auto& root) { set(e, "PRIVATE_DIR", root + "/nowhere"); }, "PRIVATE_DIR",
     "cannot be written"},
    {"no directory for the socket", [](auto& e, auto&) { set(e, "SOCKET_DIR", "run"); }, "SOCKET_DIR", "absolute"},
    {"a TLS directory without a key",
     [](auto& e, auto& root) {
         std::filesystem::create_directory(root + "/tls");
         REQUIRE(write_file_atomically(root + "/tls/tls.crt", "x"));
         REQUIRE(write_file_atomically(root + "/tls/ca.crt", "x"));
         set(e, "TLS_DIR", root + "/tls");
     },
     "TLS_DIR", "tls.key"},
    {"half a wish for a copy", [](auto& e, auto&) { set(e, "RECLONE", "yes"); }, "RECLONE", "true or false"},
    {"a copy for a primary",
     [](auto& e, auto&) {
         set(e, "RECLONE", "true");
         set(e, "REPLICATION_ROLE", "primary");
     },
     "RECLONE", "only a replica"},
    {"a role without the mode",
     [](auto& e, auto&) {
         e.erase("HA_MODE");
         e.erase("PRIMARY_HOST");
     },
     "REPLICATION_ROLE", "HA_MODE=native"},
    {"a primary without the mode",
     [](auto& e, auto&) {
         e.erase("HA_MODE");
         e.erase("REPLICATION_ROLE");
     },
     "PRIMARY_HOST", "HA_MODE=native"},
};

}  // namespace

TEST_CASE("native settings: a replica by the fewest variables") {
    NativeEnvironment f;
    const auto s = f.read();
    REQUIRE(s);
    CHECK(s->role == ha::Role::replica);
    CHECK(s->node == "node-b");
    CHECK(s->primary_host == "node-a");
    CHECK(s->primary_port == 5432);
    CHECK(s->superuser == "postgres");
    CHECK(s->superuser_password.reveal() == "first");
    CHECK(s->replication_user == "toygres_replication");
    CHECK(s->replication_password.reveal() == "second");
    CHECK(s->synchronous.empty());
    CHECK(s->data_dir == f.root + "/volume/pgdata");
    CHECK(s->address == "0.0.0.0");
    CHECK(s->port == 5432);
    CHECK(s->status_port == 8443);
    CHECK(s->tls_dir.empty());
    CHECK_FALSE(s->reclone);
}

TEST_CASE("native settings: everything can be said") {
    NativeEnvironment f;
    f.values.erase("POSTGRES_PASSWORD_FILE");
    for (const auto& [name, value] : Environment{{"NODE_NAME", "b"},
                                                 {"PRIMARY_PORT", "6000"},
                                                 {"POSTGRES_USER", "admin"},
                                                 {"POSTGRES_PASSWORD", "third"},
                                                 {"REPLICATION_USER", "replicator"},
                                                 {"SYNCHRONOUS_STANDBY_NAMES", "a, c"},
                                                 {"LISTEN_ADDRESS", "127.0.0.1"},
                                                 {"LISTEN_PORT", "6001"},
                                                 {"STATUS_PORT", "6002"},
                                                 {"USE_PATRONI", "false"},
                                                 {"RECLONE", "true"}})
        f.values[name] = value;
    const auto s = f.read();
    REQUIRE(s);
    CHECK(s->node == "b");
    CHECK(s->primary_port == 6000);
    CHECK(s->superuser == "admin");
    CHECK(s->superuser_password.reveal() == "third");
    CHECK(s->replication_user == "replicator");
    CHECK(s->synchronous == std::vector<std::string>{"a", "c"});
    CHECK(s->address == "127.0.0.1");
    CHECK(s->port == 6001);
    CHECK(s->status_port == 6002);
    CHECK(s->reclone);
}

TEST_CASE("native settings: without the mode it stands alone and needs no replication password") {
    NativeEnvironment f;
    for (const char* name : {"HA_MODE", "REPLICATION_ROLE", "PRIMARY_HOST"}) f.values[name] = "";
    f.values.erase("REPLICATION_PASSWORD_FILE");
    const auto s = f.read();
    REQUIRE(s);
    CHECK(s->role == ha::Role::none);
    CHECK(s->replication_password.empty());
}

TEST_CASE("native settings: every rule names its variable, what is wrong and what to do") {
    for (const auto& rule : rules) {
        INFO(rule.name);
        NativeEnvironment f;
        rule.change(f.values, f.root);
        const auto s = f.read();
        REQUIRE_FALSE(s);
        CHECK(s.error().size() == 1);
        const auto& problem = s.error().front();
        CHECK(problem.variable == rule.variable);
        CHECK((problem.what + " " + problem.remedy).contains(rule.word));
        CHECK_FALSE(problem.what.empty());
        CHECK_FALSE(problem.remedy.empty());
    }
}

TEST_CASE("native settings: a volume's own directory is not for data") {
    NativeEnvironment f;
    f.values["PGDATA"] = "/proc/";
    CHECK(f.read().error().front().what.contains("directly below /"));
    // Mounted in whatever sandbox this runs.
    f.values["PGDATA"] = "/dev/pts";
    CHECK(f.read().error().front().what.contains("where a volume is mounted"));
}

TEST_CASE("native settings: all problems are told at once, and no password with them") {
    NativeEnvironment f;
    f.values["POSTGRES_PASSWORD"] = "told to nobody";
    f.values["REPLICATION_ROLE"] = "leader";
    f.values["NODE_NAME"] = "B";
    f.values["RECLONE"] = "perhaps";
    f.values.erase("PGDATA");
    const auto s = f.read();
    REQUIRE_FALSE(s);
    std::vector<std::string> variables;
    for (const auto& problem : s.error()) {
        variables.push_back(problem.variable);
        CHECK_FALSE((problem.what + problem.remedy).contains("told to nobody"));
    }
    CHECK(variables ==
          std::vector<std::string>{"REPLICATION_ROLE", "NODE_NAME", "POSTGRES_PASSWORD", "PGDATA", "RECLONE"});
}
