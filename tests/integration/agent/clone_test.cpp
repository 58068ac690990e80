#include "base/file.hpp"
#include "instance_fixture.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::test;

namespace {

namespace fs = std::filesystem;

bool stuck_is_mended(InstanceFixture& f) { return f.b().log().contains("replica.stuck"); }

}  // namespace

TEST_CASE("agent clone: kill -9 in the middle leaves nothing that is taken for a database") {
    InstanceFixture f;
    f.tell();
    f.a().start();
    f.a().wait_ready();
    query(f.a(), "CREATE TABLE kept AS SELECT n, repeat('x', 500) AS t FROM generate_series(1, 50000) AS n");
    f.b().start();
    REQUIRE(eventually([&] {
        const auto made = f.b().unfinished();
        return !made.empty() && fs::exists(made.front() + "/PG_VERSION");
    }));
    f.b().kill();
    CHECK_FALSE(fs::exists(f.b().options.data_dir));
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().unfinished().empty());
    CHECK(query(f.b(), "SELECT count(*) FROM kept") == "50000\n");
}

TEST_CASE("agent clone: SIGTERM ends it at once") {
    InstanceFixture f;
    f.tell();
    f.a().start();
    f.a().wait_ready();
    f.b().start();
    REQUIRE(eventually([&] { return !f.b().unfinished().empty(); }));
    CHECK(f.b().stop().ok());
}

TEST_CASE("agent clone: a raised number has a replica cloned afresh, once") {
    InstanceFixture f;
    f.start();
    const auto before = *f.b().status();
    f.settings(f.b()).clone = 1;
    f.tell();
    f.wait_obeyed(f.b());
    const auto after = f.b().wait_for("another server", [&](const auto& s) {
        return s.ready && s.postgres_started_at != before.postgres_started_at;
    });
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().log().contains("as asked (1)"));
    CHECK(after.restarts == 0);
    CHECK(f.b().stop().ok());
    const auto inode = [&] {
        struct stat s{};
        REQUIRE(::stat(f.b().options.data_dir.c_str(), &s) == 0);
        return s.st_ino;
    };
    const auto kept = inode();
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(inode() == kept);
    // Never for a primary.
    f.settings(f.a()).clone = 7;
    const auto primary = *f.a().status();
    f.tell();
    f.wait_obeyed(f.a());
    CHECK(f.a().status()->postgres_started_at == primary.postgres_started_at);
}

TEST_CASE("agent clone: a replica of another history is rewound without being told") {
    InstanceFixture f;
    f.b().extra_arguments.emplace_back("--follow-timeout=1500ms");
    f.start();
    query(f.a(), "CREATE TABLE kept (n int)");
    f.wait_applied(f.b(), f.a());
    f.begin_epoch(f.b().member);
    f.tell(f.b());
    f.b().wait_for("a reign of its own", [](const auto& s) { return s.ready && s.role == ha::Role::primary; });
    query(f.b(), "INSERT INTO kept VALUES (666)");
    CHECK(f.b().stop().ok());
    // Taken for a replica's, as by somebody's hand.
    REQUIRE(write_file_atomically(f.b().options.data_dir + "/standby.signal", "", 0644));
    f.begin_epoch(f.a().member);
    f.tell();
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(stuck_is_mended(f));
    query(f.a(), "INSERT INTO kept VALUES (1)");
    f.wait_applied(f.b(), f.a());
    CHECK(query(f.b(), "SELECT n FROM kept") == "1\n");
}

TEST_CASE("agent clone: a replica whose WAL the primary no longer has is cloned without being told") {
    InstanceFixture f;
    f.b().extra_arguments.emplace_back("--follow-timeout=1500ms");
    f.settings(f.a()).parameters = {
        {"wal_keep_size", "0"}, {"max_slot_wal_keep_size", "1MB"}, {"max_wal_size", "64MB"}};
    f.start();
    query(f.a(), "CREATE TABLE kept (n int)");
    f.wait_applied(f.b(), f.a());
    CHECK(f.b().stop().ok());
    for (int n = 0; n < 4; ++n) {
        query(f.a(), "INSERT INTO kept VALUES (1)");
        query(f.a(), "SELECT pg_switch_wal()");
    }
    query(f.a(), "CHECKPOINT");
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(stuck_is_mended(f));
    f.wait_applied(f.b(), f.a());
    CHECK(query(f.b(), "SELECT count(*) FROM kept") == "4\n");
}

TEST_CASE("agent clone: a stuck replica's data is not touched while the primary is away") {
    InstanceFixture f;
    f.b().extra_arguments.emplace_back("--follow-timeout=300ms");
    f.start();
    const auto before = *f.b().status();
    CHECK(f.a().stop().ok());
    f.b().wait_for("no receiver", [](const auto& s) { return !s.receiver; });
    // Long enough for many looks: what it finds in the end is the proof, not the time.
    REQUIRE(eventually([&] { return f.b().log().contains("could not connect to the primary server"); }));
    f.a().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().status()->postgres_started_at == before.postgres_started_at);
}
