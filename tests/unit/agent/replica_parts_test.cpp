#include "agent/clone.hpp"
#include "agent/control_file.hpp"
#include "agent/follow.hpp"
#include "agent/slots.hpp"
#include "agent/volume_note.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <unistd.h>

using namespace toygres;
using namespace toygres::agent;
using namespace std::chrono_literals;

TEST_CASE("volume note: a new volume has none, what is written is read, and what is damaged is an error") {
    std::string volume = "/tmp/toygres-note-XXXXXX";
    REQUIRE(::mkdtemp(volume.data()) != nullptr);
    CHECK(read_note(volume) == VolumeNote{});
    const VolumeNote note{{7, 12}, true, 3, Unfinished::rewind};
    REQUIRE(write_note(volume, note));
    CHECK(read_note(volume) == note);
    REQUIRE(write_file_atomically(volume + "/.toygres.note", "{\"reign\":"));
    CHECK(read_note(volume).error().code == "invalid_json");
    std::filesystem::remove_all(volume);
}

TEST_CASE("clone: the progress of pg_basebackup is read off its lines") {
    const auto progress = parse_progress(" 1234/5678 kB (21%), 0/1 tablespace");
    REQUIRE(progress);
    CHECK(progress->done_bytes == 1234 * 1024);
    CHECK(progress->total_bytes == 5678 * 1024);
    CHECK(parse_progress("23423/23423 kB (100%), 1/1 tablespace"));
    CHECK_FALSE(parse_progress("waiting for checkpoint"));
    CHECK_FALSE(parse_progress("pg_basebackup: error: 12/13 went wrong"));
    CHECK_FALSE(parse_progress(""));
}

TEST_CASE("control file: the newest timeline counts, and only an orderly end is clean") {
    const std::string text =
        "Database system identifier:           7398\n"
        "Database cluster state:               in archive recovery\n"
        "Latest checkpoint location:           0/3000060\n"
        "Latest checkpoint's TimeLineID:       1\n"
        "Minimum recovery ending location:     0/30001A0\n"
        "Min recovery ending loc's timeline:   2\n";
    const auto control = parse_control_data(text);
    REQUIRE(control);
    CHECK(control->system_identifier == "7398");
    CHECK(control->timeline == 2);
    CHECK(control->checkpoint_lsn == "0/3000060");
    CHECK(control->consistent_lsn == "0/30001A0");
    CHECK_FALSE(control->clean);
    CHECK_FALSE(control->read_write);
    for (const char* state : {"shut down", "shut down in recovery"}) {
        auto clean = text;
        clean.replace(clean.find("in archive recovery"), std::string("in archive recovery").size(), state);
        CHECK(parse_control_data(clean)->clean);
    }
    CHECK_FALSE(parse_control_data("pg_controldata: error"));
}

TEST_CASE("following: a stream that stays, or data that comes on, is progress") {
    const FollowWatch::Time begin{};
    FollowWatch watch;
    CHECK(watch.stuck_for(begin) == 0ms);
    watch.see("17", "0/10", begin);
    watch.see("17", "0/10", begin + 5s);
    CHECK(watch.stuck_for(begin + 5s) == 0ms);
    CHECK(watch.streams_for(begin + 5s) == 5s);
    watch.see("", "0/20", begin + 10s);
    CHECK(watch.stuck_for(begin + 10s) == 0ms);
    CHECK(watch.streams_for(begin + 10s) == 0ms);
}

TEST_CASE("following: a walreceiver that is another one at every look is none") {
    const FollowWatch::Time begin{};
    FollowWatch watch;
    watch.see("17", "0/10", begin);
    watch.see("18", "0/10", begin + 5s);
    watch.see("", "0/10", begin + 10s);
    watch.see("19", "0/10", begin + 15s);
    CHECK(watch.stuck_for(begin + 15s) == 15s);
    watch.forget();
    CHECK(watch.stuck_for(begin + 20s) == 0ms);
}

TEST_CASE("slots: every other member has one, and only an instance's own are dropped") {
    const ha::Topology topology{1, 1, "db-1a-1", {{"db-1a-1", {}}, {"db-1a-2", {}}, {"db-1a-3", {}}}, std::nullopt};
    const auto primary = slots_script("db-1a", "db-1a-1", topology, ha::Role::primary);
    CHECK(primary.contains("ARRAY['db_1a_2', 'db_1a_3']"));
    CHECK_FALSE(primary.contains("'db_1a_1'"));
    CHECK(primary.contains("'^db_1a_[0-9]+$'"));
    CHECK_FALSE(primary.contains("advance"));
    CHECK(slots_script("db-1a", "db-1a-2", topology, ha::Role::replica).contains("pg_replication_slot_advance"));
}
