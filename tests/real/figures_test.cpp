// What a user waits for, in the cluster, with the settings that the product comes with.
#include "e2e/scenario.hpp"
#include "real/installed_stack.hpp"

#include <fmt/format.h>

#include <algorithm>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

std::chrono::milliseconds median(std::vector<std::chrono::milliseconds> times) {
    std::ranges::sort(times);
    return times[times.size() / 2];
}

// From the death of the primary, which does not come back, until rows are acknowledged again.
std::chrono::milliseconds outage_of(const Replicated& db) {
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, standby] = std::pair(db.primary(), db.standby());
    ledger.forget_gaps();
    db.strike_down(primary);
    REQUIRE(eventually([&] { return db.primary() == standby; }));
    CHECK(ledger.goes_on(50));
    const auto out = ledger.longest_gap();
    db.scale(primary, 1);
    CHECK(db.becomes_whole());
    ledger.stop();
    CHECK(ledger.missing() == "");
    return out;
}

}  // namespace

TEST_CASE("figures: a creation with a standby, and how long nothing is acknowledged when the primary is gone",
          "[figures]") {
    std::vector<std::chrono::milliseconds> creations;
    std::vector<std::chrono::milliseconds> outages;
    for (int run = 1; run <= 5; ++run) {
        const auto began = std::chrono::steady_clock::now();
        const Replicated db(installed_stack(), fmt::format("figures{}", run));
        creations.push_back(
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began));
        REQUIRE(db.becomes_whole());
        outages.push_back(outage_of(db));
        remove(db);
    }
    WARN(fmt::format("median of 5: created in {} ms, without an acknowledged row for {} ms", median(creations).count(),
                     median(outages).count()));
    CHECK(median(creations) < 25s);
    CHECK(median(outages) < 6s);
}
