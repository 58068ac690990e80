#include "base/seal_keys.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;

namespace {

Sealer sealer_of(const std::string& text) { return Sealer::from_key(parse_seal_keys(text).value()).value(); }

}  // namespace

TEST_CASE("seal keys: the first one seals, all of them open") {
    const auto old_key = random_hex(64) + "\n";
    const auto new_key = random_hex(64) + "\n";
    const auto before = sealer_of(old_key).seal(Secret("s"), "c");
    const auto both = sealer_of(new_key + old_key);
    CHECK(both.open(before, "c").value().reveal() == "s");
    CHECK(both.open(before, "other").error().code == "bad_seal");
    const auto after = both.seal(Secret("s"), "c");
    CHECK(sealer_of(new_key).open(after, "c").value().reveal() == "s");
    CHECK(sealer_of(old_key).open(after, "c").error().code == "bad_seal");
}

TEST_CASE("seal keys: a rotation lets all servers open what any of them seals, at every step") {
    const auto first = random_hex(64) + "\n";
    const auto second = with_new_key(first).value();
    const auto third = with_last_key_first(second).value();
    for (const auto* one : {&first, &second, &third})
        for (const auto* other : {&first, &second, &third}) {
            // Servers that read at different times are one step apart.
            if ((one == &first && other == &third) || (one == &third && other == &first)) continue;
            CHECK(sealer_of(*other).open(sealer_of(*one).seal(Secret("s"), "c"), "c"));
        }
    CHECK(!sealer_of(first).open(sealer_of(third).seal(Secret("s"), "c"), "c"));
    // The next rotation drops the first key.
    const auto later = with_last_key_first(with_new_key(third).value()).value();
    CHECK(!sealer_of(later).open(sealer_of(first).seal(Secret("s"), "c"), "c"));
    CHECK(sealer_of(later).open(sealer_of(third).seal(Secret("s"), "c"), "c"));
}

TEST_CASE("seal keys: what is no key is refused, whatever stands beside it") {
    const auto key = random_hex(64);
    CHECK(parse_seal_keys(key));
    CHECK(parse_seal_keys(key + "\r\n\n" + key + "\n").value().reveal().size() == 64);
    for (const auto& bad : {std::string(), std::string("\n"), key + "\n" + "short\n", key + key, "x" + key.substr(1)}) {
        INFO(bad);
        CHECK(parse_seal_keys(bad).error().code == "bad_seal_key");
        CHECK(with_new_key(bad).error().code == "bad_seal_key");
    }
    const auto path = (std::filesystem::temp_directory_path() / ("seal-" + random_hex(8))).string();
    REQUIRE(write_file_atomically(path, "nothing\n", 0600));
    CHECK(Sealer::from_file(path).error().message.contains(path));
    std::filesystem::remove(path);
}
