#include "base/json.hpp"

#include "support/catch.hpp"

using namespace toygres;

namespace {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Inner {
    int size_gb;
    std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (size_gb, note))

struct Outer {
    std::string name;
    std::vector<Inner> parts;
    std::map<std::string, std::string> tags;
    Colour colour;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (name, parts, tags, colour))

std::string problem_of(const Json& value, UnknownKeys unknown) {
    try {
        decode<Outer>(value, unknown);
    } catch (const ErrorException& e) {
        CHECK(e.error().kind == ErrorKind::invalid);
        return e.error().message;
    }
    return "decoded";
}

const Json good = {{"name", "a"}, {"parts", {{{"size_gb", 3}}}}, {"tags", {{"k", "v"}}}, {"colour", "green"}};

}  // namespace

TEST_CASE("json: a described type comes back as it went") {
    const auto value = decode<Outer>(good, UnknownKeys::refuse);
    CHECK(value.parts.at(0).size_gb == 3);
    CHECK(value.colour == Colour::green);
    CHECK(encode(value) == good);
}

TEST_CASE("json: errors name the member's path and what was expected") {
    auto bad = good;
    bad["parts"][0]["size_gb"] = "three";
    CHECK(problem_of(bad, UnknownKeys::refuse) == "parts[0].size_gb: expected a whole number, got a string");
    bad = good;
    bad.erase("name");
    CHECK(problem_of(bad, UnknownKeys::refuse) == "name: is required");
    bad = good;
    bad["colour"] = "blue";
    CHECK(problem_of(bad, UnknownKeys::refuse) == "colour: expected one of red, green");
    bad = good;
    bad["parts"][0]["size_gb"] = 3000000000;
    CHECK(problem_of(bad, UnknownKeys::refuse) == "parts[0].size_gb: must be between -2147483648 and 2147483647");
}

TEST_CASE("json: an unknown key is refused in requests and ignored in history") {
    auto extra = good;
    extra["parts"][0]["colour"] = 1;
    CHECK(problem_of(extra, UnknownKeys::refuse) == "parts[0].colour: is not known here");
    CHECK(problem_of(extra, UnknownKeys::ignore) == "decoded");
}

TEST_CASE("json: parse errors tell line and column") {
    const auto result = parse_json("{\n  \"a\": x}");
    REQUIRE(!result);
    CHECK(result.error().message == "not JSON: unexpected text at line 2, column 8");
}

TEST_CASE("json: a number that nothing can hold is an error with its place") {
    const auto result = parse_json("{\n  \"a\": 1e999}");
    REQUIRE(!result);
    CHECK(result.error().code == "invalid_json");
    CHECK(result.error().message == "not JSON: a number that is too large at line 2, column 8");
}
