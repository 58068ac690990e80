#include "agent/configuration.hpp"
#include "agent/native.hpp"
#include "agent/slots.hpp"
#include "agent/upstream.hpp"
#include "native_environment.hpp"

using namespace toygres;
using namespace toygres::agent;
using namespace toygres::test;

namespace {

NativeSettings settings_of(const NativeEnvironment& f) {
    const auto s = f.read();
    REQUIRE(s);
    return *s;
}

}  // namespace

TEST_CASE("native topology: the environment says who is what, in a revision above all that the volume has seen") {
    NativeEnvironment f;
    const auto fresh = native_options(settings_of(f), VolumeNote{});
    CHECK(fresh.native->topology.epoch == 1);
    CHECK(fresh.native->topology.revision == 1);
    CHECK(fresh.native->topology.primary == "node-a:5432");
    CHECK(ha::role_of(fresh.native->topology, fresh.member) == ha::Role::replica);

    f.values["REPLICATION_ROLE"] = "primary";
    f.values["SYNCHRONOUS_STANDBY_NAMES"] = "node-a,node-c";
    const auto later = native_options(settings_of(f), VolumeNote{{7, 12}, true, 0, Unfinished::nothing, {}});
    CHECK(reign_of(later.native->topology) == ha::Reign{7, 13});
    CHECK(ha::role_of(later.native->topology, later.member) == ha::Role::primary);
    CHECK(later.native->topology.members.at("node-b").synchronous_standby_names == "ANY 1 (\"node-a\", \"node-c\")");
    // A volume that has lost its data is never begun anew.
    CHECK(later.native->topology.initialized == false);
}

TEST_CASE("native topology: a copy is asked for once, as long as the variable stands") {
    NativeEnvironment f;
    const auto wanted = [&f](const VolumeNote& note) {
        return native_options(settings_of(f), note).native->topology.members.at("node-b").clone;
    };
    VolumeNote note{{1, 1}, true, 4, Unfinished::nothing, NativeNote{ha::Role::replica, false}};
    CHECK_FALSE(wanted(note));
    f.values["RECLONE"] = "true";
    CHECK(wanted(note) == 5);
    note.native->recloned = true;
    CHECK_FALSE(wanted(note));
}

TEST_CASE("native configuration: a replica receives from PRIMARY_HOST under its own name, the password in a file") {
    NativeEnvironment f;
    f.values["PRIMARY_PORT"] = "6000";
    f.values["REPLICATION_USER"] = "replicator";
    const auto options = native_options(settings_of(f), VolumeNote{});
    const auto orders = orders_for(options.native->topology, options.member, ha::Role::replica);
    const auto conf = role_conf(options, orders, "replicator");
    CHECK(conf.contains("host=''node-a'' port=6000 user=''replicator''"));
    CHECK(conf.contains("application_name=''node-b''"));
    CHECK(conf.contains("sslmode=require channel_binding=require "));
    CHECK(conf.contains("primary_slot_name = 'node_b'\n"));
    CHECK_FALSE(conf.contains("second"));
    CHECK(pg_hba_conf("replicator").contains("hostssl replication  replicator "));
    CHECK(own_slot_script("node-b").contains("'node_b'"));
}

TEST_CASE("native configuration: with TLS_DIR the primary has to prove its name") {
    NativeEnvironment f;
    std::filesystem::create_directory(f.root + "/tls");
    for (const char* file : {"/tls/tls.crt", "/tls/tls.key", "/tls/ca.crt"})
        REQUIRE(write_file_atomically(f.root + file, "x"));
    f.values["TLS_DIR"] = f.root + "/tls";
    const auto options = native_options(settings_of(f), VolumeNote{});
    const auto conninfo = superuser_conninfo(options, "node-a:5432");
    CHECK(conninfo.contains("sslmode=verify-full sslrootcert='" + f.root + "/tls/ca.crt'"));
    CHECK(options.postgres_tls_dir() == f.root + "/tls");
    // The agent's own endpoint keeps to a certificate whose name it knows.
    CHECK(options.tls_dir == f.root + "/private/native/tls");
}
