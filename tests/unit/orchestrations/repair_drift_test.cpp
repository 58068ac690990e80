#include "orchestrations/repair_drift.hpp"

#include "activities/cancel_orchestration.hpp"
#include "activities/keep_house.hpp"
#include "activities/repair_drift.hpp"
#include "support/orchestration_driver.hpp"

using namespace toygres;
using namespace toygres::activities;
using namespace toygres::orchestrations;
using toygres::test::OrchestrationDriver;

namespace {

const RepairDrift::Input input{"toygres", 600'000, false, "root", "request"};

DriftFinding finding(const std::string& repair, const std::string& kind, const std::string& object) {
    DriftFinding out{};
    out.type = "state_mismatch";
    out.kind = kind;
    out.object = object;
    out.k8s_name = "db-1a2b3c4d";
    out.instance_id = "id";
    out.uid = "uid";
    out.repair = repair;
    return out;
}

}  // namespace

TEST_CASE("repair_drift: every action has its entry before it and its outcome after it") {
    OrchestrationDriver driver;
    driver.completes<FindDrift>({{finding("remove", "Service", "gone"), finding("apply", "Secret", "db-tls")}, false});
    driver.completes<BeginRepair>({7});
    driver.completes<RemoveOrphan>({});
    driver.completes<EndRepair>({});
    driver.completes<BeginRepair>({8});
    driver.completes<RestoreObject>({"applied"});
    driver.completes<EndRepair>({});
    driver.run<RepairDrift>(input);
    const auto out = driver.output<RepairDrift>();
    REQUIRE(out.actions.size() == 2);
    CHECK_FALSE(out.actions[0].error);
    CHECK(driver.recorded<RemoveOrphan>().uid == "uid");
    CHECK(driver.recorded<EndRepair>().entry == 8);
    CHECK_FALSE(driver.recorded<EndRepair>().code);
    CHECK(driver.recorded<BeginRepair>().caller == "root");
}

TEST_CASE("repair_drift: an action that fails is on record as failed, and the next one is done") {
    OrchestrationDriver driver;
    driver.completes<FindDrift>(
        {{finding("remove", "Service", "gone"), finding("stop_monitor", "Monitor", "health-x")}, true});
    driver.completes<BeginRepair>({1});
    driver.fails<RemoveOrphan>({ErrorKind::conflict, "instance_on_record", "it lives"});
    driver.completes<EndRepair>({});
    driver.completes<BeginRepair>({2});
    driver.completes<CancelOrchestration>({"cancelled"});
    driver.completes<EndRepair>({});
    driver.run<RepairDrift>(input);
    const auto out = driver.output<RepairDrift>();
    REQUIRE(out.actions.size() == 2);
    CHECK(out.actions[0].error->code == "instance_on_record");
    CHECK_FALSE(out.actions[1].error);
    CHECK(out.more);
}

TEST_CASE("repair_drift: a monitor is started when it is still missing") {
    OrchestrationDriver driver;
    driver.completes<FindDrift>({{finding("start_monitor", "Monitor", "health-db-1a2b3c4d")}, false});
    driver.completes<BeginRepair>({1});
    driver.completes<KeepHouse>({{{"id", "db-1a2b3c4d", "toygres", 30'000}, {"id2", "other", "toygres", 30'000}}, 0});
    driver.accepts_start();
    driver.completes<EndRepair>({});
    driver.run<RepairDrift>(input);
    CHECK(driver.output<RepairDrift>().actions.size() == 1);
    CHECK_FALSE(driver.output<RepairDrift>().actions[0].error);
}
