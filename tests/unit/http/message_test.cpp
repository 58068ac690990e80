#include "http/message.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::http;

TEST_CASE("headers: names compare without case and set replaces") {
    Headers headers{{"Content-Type", "text/plain"}};
    headers.set("content-TYPE", "application/json");
    CHECK(headers.get("Content-Type") == "application/json");
    CHECK(std::distance(headers.begin(), headers.end()) == 1);
    CHECK(headers.get("Accept").empty());
    CHECK(!headers.has("Accept"));
}

TEST_CASE("target: path and query are decoded") {
    const auto target = Target::parse("/api/v1/a%20b?labelSelector=app%3Dx%2Cy&limit=2&flag&limit=3").value();
    CHECK(target.path == "/api/v1/a b");
    CHECK(target.segments() == std::vector<std::string>{"api", "v1", "a b"});
    CHECK(target.get("labelSelector") == "app=x,y");
    CHECK(target.get("limit") == "2");
    CHECK(target.get("flag") == "");
    CHECK(!target.get("absent"));
}

TEST_CASE("target: what is not a path is refused") {
    for (const char* bad : {"", "http://host/", "a/b", "/%zz", "/a b"}) {
        INFO(bad);
        const auto target = Target::parse(bad);
        REQUIRE(!target);
        CHECK(target.error().code == "invalid_target");
    }
}

TEST_CASE("percent coding: all but unreserved characters") {
    CHECK(percent_encode("a-b_c.d~e") == "a-b_c.d~e");
    CHECK(percent_encode("a=b,c/d e?") == "a%3Db%2Cc%2Fd%20e%3F");
}
