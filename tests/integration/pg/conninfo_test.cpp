#include "pg/conninfo.hpp"

#include "support/catch.hpp"

using namespace toygres;

TEST_CASE("conninfo: a password is added to a URL that has none, and to keywords") {
    CHECK(pg::with_password("postgresql://toygres@cms/postgres?sslmode=require", Secret("it's")).value() ==
          "user='toygres' dbname='postgres' host='cms' sslmode='require' password='it\\'s'");
    CHECK(pg::with_password("host=/run dbname='a b'", Secret("p")).value() == "dbname='a b' host='/run' password='p'");
}

TEST_CASE("conninfo: one that has a password stays as it is") {
    CHECK(pg::with_password("postgresql://toygres:own@cms/postgres", Secret("p")).value() ==
          "postgresql://toygres:own@cms/postgres");
}

TEST_CASE("conninfo: a bad one is told, without the password") {
    const auto bad = pg::with_password("postgresql://cms/postgres?sslmod=require", Secret("hidden"));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == "bad_conninfo");
    CHECK(bad.error().message.contains("sslmod"));
    CHECK_FALSE(bad.error().message.contains("hidden"));
}
