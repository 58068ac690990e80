#include "base/crypto.hpp"
#include "base/time.hpp"
#include "support/catch.hpp"

using namespace toygres;

TEST_CASE("base64: there is one way to write a thing, but for white space") {
    CHECK(base64_decode("aGVs\nbG8=") == "hello");
    CHECK(base64_decode("") == "");
    for (const auto* text : {"====", "A===", "=AAA", "AA=A", "AAAA----", "----", "\t\t\t\tAAAA", "AAAA\t\t\t\t", "AAA",
                             "AA\xc3\xa9", "aGVs*G8="})
        CHECK_FALSE(base64_decode(text));
}

TEST_CASE("times: what four digits of a year do not tell is none") {
    CHECK(format_rfc3339(*parse_rfc3339("9999-12-31T23:59:59.999Z")) == "9999-12-31T23:59:59.999Z");
    CHECK(format_rfc3339(*parse_rfc3339("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00.000Z");
    for (const auto* text : {"0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"})
        CHECK_FALSE(parse_rfc3339(text));
}
