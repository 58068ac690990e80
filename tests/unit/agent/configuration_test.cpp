#include "agent/configuration.hpp"

#include "agent/scram.hpp"
#include "agent/upstream.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <unistd.h>

using namespace toygres;
using namespace toygres::agent;

TEST_CASE("configuration: values cannot leave their quotes") {
    CHECK(quote_value("plain") == "'plain'");
    CHECK(quote_value("it's") == "'it''s'");
    CHECK(quote_value("a\\b") == "'a\\\\b'");
    CHECK(quote_value("a'\nssl = off") == "'a''ssl = off'");
}

TEST_CASE("configuration: the topology sets what is a setting and not the agent's own") {
    CHECK(may_be_set("work_mem"));
    CHECK(may_be_set("pg_stat_statements.max"));
    CHECK_FALSE(may_be_set("listen_addresses"));
    CHECK_FALSE(may_be_set("ssl"));
    CHECK_FALSE(may_be_set("primary_conninfo"));
    CHECK_FALSE(may_be_set("recovery_target_timeline"));
    CHECK_FALSE(may_be_set("toygres.reign"));
    CHECK_FALSE(may_be_set("work_mem = 1\nssl"));
    CHECK_FALSE(may_be_set("Work_Mem"));
    CHECK_FALSE(may_be_set(""));
    Options options;
    options.data_dir = "/v/pgdata";
    ha::MemberSettings settings{};
    settings.parameters = {{"work_mem", "8MB"}, {"ssl", "off"}};
    const auto conf = postgresql_conf(options, settings);
    CHECK(conf.contains("\nwork_mem = '8MB'\n"));
    CHECK_FALSE(conf.contains("ssl = 'off'"));
    CHECK(conf.contains("\nssl = on\n"));
    CHECK(conf.contains("\nrestart_after_crash = off\n"));
}

TEST_CASE("configuration: synchronous standbys have a file of their own, which a replica's leaves empty") {
    Orders orders{{7, 1}, ha::Role::primary, {}, {}};
    CHECK(synchronous_conf(orders) == "synchronous_standby_names = ''\n");
    orders.settings.synchronous_standby_names = "ANY 1 (\"db-2_e7\")";
    CHECK(synchronous_conf(orders) == "synchronous_standby_names = 'ANY 1 (\"db-2_e7\")'\n");
    orders.role = ha::Role::replica;
    CHECK(synchronous_conf(orders) == "synchronous_standby_names = ''\n");
}

TEST_CASE("configuration: a replica receives from the member itself that is the primary, under its own name") {
    Options options;
    options.instance = "db-0a1b2c3d";
    options.member = "db-0a1b2c3d-2";
    options.ns = "test";
    ha::Topology topology{7, 3, "db-0a1b2c3d-1", {{"db-0a1b2c3d-1", {}}, {"db-0a1b2c3d-2", {}}}, std::nullopt};
    const auto replica = orders_for(topology, options.member, ha::Role::replica);
    const auto conf = role_conf(options, replica, "repl");
    CHECK(conf.contains("host=''db-0a1b2c3d-1-0.db-0a1b2c3d-members.test.svc.cluster.local''"));
    CHECK(conf.contains("application_name=''db-0a1b2c3d-2_e7''"));
    CHECK(conf.contains("sslmode=verify-full"));
    CHECK_FALSE(conf.contains("hostaddr"));
    CHECK(conf.contains("primary_slot_name = 'db_0a1b2c3d_2'\n"));
    CHECK(conf.contains("toygres.reign = '7.3'\n"));

    options.peer_addresses["db-0a1b2c3d-1"] = "127.0.0.9";
    CHECK(role_conf(options, replica, "repl").contains(" hostaddr=''127.0.0.9''"));
    const std::string nobody = "primary_conninfo = ''\nprimary_slot_name = ''\n";
    CHECK(role_conf(options, orders_for(topology, options.member, ha::Role::primary), "repl").starts_with(nobody));
    topology.primary = "";
    CHECK(role_conf(options, orders_for(topology, options.member, ha::Role::replica), "repl").starts_with(nobody));
    // On its way to be promoted.
    topology.primary = options.member;
    CHECK(role_conf(options, orders_for(topology, options.member, ha::Role::replica), "repl").starts_with(nobody));
}

TEST_CASE("configuration: passwords are in a file for libpq, in which no character of theirs means anything") {
    std::string root = "/tmp/toygres-passwords-XXXXXX";
    REQUIRE(::mkdtemp(root.data()) != nullptr);
    Options options;
    options.superuser_dir = root;
    options.replication_dir = root + "/replication";
    CHECK(passfile_text(options).error().code == "file_not_found");
    std::filesystem::create_directory(options.replication_dir);
    REQUIRE(write_file_atomically(options.superuser_dir + "/password", "a:b\\c\n", 0600));
    REQUIRE(write_file_atomically(options.replication_dir + "/username", "repl", 0600));
    REQUIRE(write_file_atomically(options.replication_dir + "/password", "plain", 0600));
    CHECK(passfile_text(options) == "*:*:*:postgres:a\\:b\\\\c\n*:*:*:repl:plain\n");
    std::filesystem::remove_all(root);
}

TEST_CASE("configuration: every rule of pg_hba.conf asks for a peer or for TLS and SCRAM") {
    std::size_t rules = 0;
    const auto text = pg_hba_conf("toygres_replication");
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = text.find('\n', begin);
        const auto line = text.substr(begin, end - begin);
        begin = end + 1;
        if (line.starts_with('#')) continue;
        ++rules;
        CHECK((line.starts_with("local") || line.starts_with("hostssl")));
        CHECK((line.contains("scram-sha-256") || line.contains("peer")));
    }
    CHECK(rules == 4);
}

TEST_CASE("scram: a verifier is recognised by its password alone") {
    const auto verifier = scram_verifier(Secret("pencil"));
    CHECK(scram_matches(verifier, Secret("pencil")));
    CHECK_FALSE(scram_matches(verifier, Secret("pencils")));
    CHECK_FALSE(scram_matches("", Secret("pencil")));
    CHECK_FALSE(scram_matches("md5abc", Secret("pencil")));
    CHECK_FALSE(scram_matches("SCRAM-SHA-256$4096", Secret("pencil")));
    // Made by PostgreSQL 15 for the password "hello".
    CHECK(scram_matches(
        "SCRAM-SHA-256$4096:7tRsPQIuu8i/V/"
        "KJQFWkZw==$47J+dz5ZjTRi49B0O1O4qnDfCkidwF1qRIatZRQHoBI=:Xihtz0IrZtx+yz8zNQQFbtE3xAQRYcWOnokIZXBqsf4=",
        Secret("hello")));
}
