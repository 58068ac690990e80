#include "cli/output.hpp"

#include "support/catch.hpp"

#include <yaml-cpp/yaml.h>

using namespace toygres;
using namespace toygres::cli;
using namespace std::chrono_literals;

TEST_CASE("yaml: every string reads back as the same string") {
    for (const std::string text :
         {"15", "true", "no", "~", "", "a: b", "# c", "- d", "line 1\nline 2\n", "it's", "\"q\"", "null", "1.5",
          "plain-text", "d\u00e4tabase", " space ", "0x1f", "@at", "2026-11-21"}) {
        INFO(text);
        const auto node = YAML::Load(render(Json{{"key", text}}, Format::yaml));
        CHECK(node["key"].as<std::string>() == text);
    }
    const auto node = YAML::Load(
        render({{"list", {1, 2}}, {"none", Json::array()}, {"map", Json::object()}, {"t", true}}, Format::yaml));
    CHECK(node["list"][1].as<int>() == 2);
    CHECK(node["none"].IsSequence());
    CHECK(node["map"].IsMap());
    CHECK(node["t"].as<bool>());
}

TEST_CASE("table: columns are as wide as their widest cell, in characters") {
    Table table({"A", "LONGER"});
    table.add({"d\u00e4ta", ""});
    table.add({"x", "y"});
    CHECK(table.text() == "A     LONGER\nd\u00e4ta  -\nx     y\n");
}

TEST_CASE("age: is short, and never negative") {
    const auto then = *parse_rfc3339("2026-11-21T05:00:00Z");
    const auto of = [&](std::chrono::milliseconds past) { return age(format_rfc3339(then), then + past); };
    CHECK(of(0s) == "0s");
    CHECK(of(-5s) == "0s");
    CHECK(of(119s) == "119s");
    CHECK(of(10min) == "10m");
    CHECK(of(30h) == "30h");
    CHECK(of(72h) == "3d");
    CHECK(age("", then).empty());
}

TEST_CASE("table: in a terminal that is too narrow the widest cells are cut") {
    Table table({"NAME", "MESSAGE"});
    table.add({"mydb", "a long message that goes on and on"});
    table.add({"d\u00e4ta", "short"});
    CHECK(table.text(20) == "NAME  MESSAGE\nmydb  a long messag…\nd\u00e4ta  short\n");
    CHECK(table.text(80) == table.text());
    CHECK(table.text(3).contains("a long …"));
}

TEST_CASE("names: of a list, of one object, of an accepted operation") {
    using Names = std::vector<std::string>;
    CHECK(names_in({{"instances", {{{"id", "1"}, {"name", "a"}}, {{"id", "2"}, {"name", "b"}}}}}) == Names{"a", "b"});
    CHECK(names_in({{"instances", Json::array()}, {"next_page_token", "x"}}).empty());
    CHECK(names_in({{"id", "op-1"}, {"instance", "mydb"}}) == Names{"op-1"});
    CHECK(names_in({{"operation", {{"id", "op-1"}}}, {"instance", {{"name", "mydb"}}}}) == Names{"mydb"});
    CHECK_THROWS_AS(names_in({{"level", "info"}}), ErrorException);
}
