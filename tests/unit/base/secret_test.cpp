#include "base/secret.hpp"

#include "base/crypto.hpp"
#include "base/time.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;

TEST_CASE("seal: opens for the same key and context only") {
    const auto a = Sealer::from_key(Secret(std::string(32, 'a'))).value();
    const auto b = Sealer::from_key(Secret(std::string(32, 'b'))).value();
    const auto sealed = a.seal(Secret("hunter2"), "mydb");
    CHECK(sealed.find("hunter2") == std::string::npos);
    CHECK(a.open(sealed, "mydb").value().reveal() == "hunter2");
    CHECK(a.open(sealed, "other").error().code == "bad_seal");
    CHECK(b.open(sealed, "mydb").error().code == "bad_seal");
    auto torn = sealed;
    torn[torn.size() / 2] = torn[torn.size() / 2] == 'A' ? 'B' : 'A';
    CHECK(!a.open(torn, "mydb"));
}

TEST_CASE("seal: two seals of one secret differ") {
    const auto sealer = Sealer::from_key(Secret(std::string(32, 'k'))).value();
    CHECK(sealer.seal(Secret("x"), "c") != sealer.seal(Secret("x"), "c"));
}

TEST_CASE("seal: a key file is made once and then kept") {
    const auto path = (std::filesystem::temp_directory_path() / ("seal-" + random_hex(8))).string();
    const auto sealed = Sealer::from_file(path).value().seal(Secret("s"), "c");
    CHECK(Sealer::from_file(path).value().open(sealed, "c").value().reveal() == "s");
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::others_read) ==
          std::filesystem::perms::none);
    std::filesystem::remove(path);
}

TEST_CASE("time: RFC 3339 both ways, offsets and PostgreSQL's form included") {
    const auto t = parse_rfc3339("2026-03-01T12:00:00.123Z").value();
    CHECK(format_rfc3339(t) == "2026-03-01T12:00:00.123Z");
    CHECK(parse_rfc3339("2026-03-01 13:00:00.123456+01").value() == t);
    CHECK(!parse_rfc3339("2026-02-30T12:00:00Z"));
    CHECK(!parse_rfc3339("yesterday"));
}

TEST_CASE("base64: round trips every length") {
    for (std::size_t n = 0; n < 10; ++n) {
        const auto bytes = random_bytes(n);
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
        CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
    }
}
