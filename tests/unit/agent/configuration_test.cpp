#include "agent/configuration.hpp"

#include "agent/scram.hpp"
#include "support/catch.hpp"

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

TEST_CASE("configuration: synchronous standbys have a file of their own") {
    ha::MemberSettings settings{};
    CHECK(synchronous_conf(settings) == "synchronous_standby_names = ''\n");
    settings.synchronous_standby_names = "ANY 1 (\"db-2_e7\")";
    CHECK(synchronous_conf(settings) == "synchronous_standby_names = 'ANY 1 (\"db-2_e7\")'\n");
}

TEST_CASE("configuration: every rule of pg_hba.conf asks for a peer or for TLS and SCRAM") {
    std::size_t rules = 0;
    const auto text = pg_hba_conf();
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
