#include "ha/topology.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::ha;

TEST_CASE("topology: text and value are the same thing") {
    Topology topology{7, 9, "db-1", {{"db-1", {}}, {"db-2", {}}}, true};
    topology.members["db-1"].synchronous_standby_names = "ANY 1 (\"db-2_e7\")";
    const auto text = format_topology(topology);
    const auto read = parse_topology(text);
    REQUIRE(read);
    CHECK(format_topology(*read) == text);
    CHECK(role_of(*read, "db-1") == Role::primary);
    CHECK(role_of(*read, "db-2") == Role::replica);
    CHECK(role_of(*read, "db-3") == Role::none);
}

TEST_CASE("topology: keys of a later release are no error") {
    CHECK(
        parse_topology(R"({"epoch": 1, "revision": 1, "primary": "a", "members": {"a": {"later": 1}}, "later": []})"));
}

TEST_CASE("topology: what makes no sense is refused") {
    CHECK(parse_topology("{").error().code == "invalid_json");
    CHECK(parse_topology(R"({"epoch": 1, "members": {}})").error().code == "invalid_field");
    CHECK(parse_topology(R"({"epoch": 0, "revision": 1, "primary": "a", "members": {"a": {}}})").error().code ==
          "bad_topology");
    CHECK(parse_topology(R"({"epoch": 1, "revision": 1, "primary": "b", "members": {"a": {}}})").error().code ==
          "bad_topology");
    CHECK(parse_topology(R"({"epoch": 1, "revision": 1, "primary": "", "members": {}})"));
}
