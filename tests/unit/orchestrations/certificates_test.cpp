#include "activities/renew_certificates.hpp"
#include "orchestrations/keep_certificates.hpp"
#include "support/orchestration_driver.hpp"

using namespace toygres;
using namespace toygres::activities;
using namespace toygres::orchestrations;
using toygres::test::Event;
using toygres::test::EventKind;
using toygres::test::OrchestrationDriver;
using namespace std::chrono_literals;

namespace {

const KeepCertificates::Input hourly{3'600'000, 90 * 86'400, 7 * 86'400};

// From an answer to the next time that certificates are looked at.
std::chrono::milliseconds pause_after(const OrchestrationDriver& driver, EventKind answer) {
    const auto from = std::ranges::find_if(driver.history, [&](const Event& e) { return e.kind == answer; });
    const auto until = std::ranges::find_if(from, driver.history.end(),
                                            [](const Event& e) { return e.kind == EventKind::timer_fired; });
    REQUIRE(until != driver.history.end());
    return std::chrono::duration_cast<std::chrono::milliseconds>(until->at - from->at);
}

}  // namespace

TEST_CASE("keep_certificates: looks at once, and again after the interval") {
    OrchestrationDriver driver;
    driver.completes<RenewCertificates>({3, {"db-1"}, {}});
    driver.fires_timer();
    driver.completes<RenewCertificates>({3, {}, {}});
    driver.run<KeepCertificates>(hourly);
    CHECK(driver.calls<RenewCertificates>() == 2);
    CHECK(driver.recorded<RenewCertificates>().lifetime_s == hourly.lifetime_s);
    CHECK(driver.recorded<RenewCertificates>().margin_s == hourly.margin_s);
    CHECK(pause_after(driver, EventKind::activity_completed) >= 1h);
    CHECK_FALSE(driver.ended());
}

TEST_CASE("keep_certificates: what could not be renewed is tried again soon") {
    OrchestrationDriver part;
    part.completes<RenewCertificates>({2, {}, {"db-2"}});
    part.fires_timer();
    part.run<KeepCertificates>(hourly);
    CHECK(pause_after(part, EventKind::activity_completed) <= 2min);
    OrchestrationDriver whole;
    whole.fails<RenewCertificates>({ErrorKind::transient, "kube_unavailable", "a hiccup"});
    whole.fires_timer();
    whole.run<KeepCertificates>(hourly);
    CHECK(pause_after(whole, EventKind::activity_failed) <= 2min);
    CHECK(whole.calls<RenewCertificates>() == 2);
}

TEST_CASE("keep_certificates: begins anew before its history grows long") {
    OrchestrationDriver driver;
    for (int i = 0; i < 200; ++i) {
        driver.completes<RenewCertificates>({1, {}, {}});
        driver.fires_timer();
    }
    driver.may_end_early();
    driver.run<KeepCertificates>(hourly);
    CHECK(driver.ended_as() == EventKind::continued_as_new);
    CHECK(encode(driver.next_input<KeepCertificates>()) == encode(hourly));
}
