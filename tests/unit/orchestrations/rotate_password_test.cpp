#include "orchestrations/rotate_password.hpp"

#include "activities/end_operation.hpp"
#include "activities/fail_operation.hpp"
#include "support/orchestration_driver.hpp"

using namespace toygres;
using namespace toygres::activities;
using namespace toygres::orchestrations;
using toygres::test::OrchestrationDriver;

namespace {

const RotatePassword::Input input{{"id", "db-1a2b3c4d", "toygres"}, "op"};

}  // namespace

TEST_CASE("rotate_password: the Secret first, then the role, then the operation ends") {
    OrchestrationDriver driver;
    driver.completes<RotateSecret>({true});
    driver.completes<RotateRole>({true});
    driver.completes<EndOperation>({});
    driver.run<RotatePassword>(input);
    CHECK(driver.recorded<EndOperation>().operation == "op");
    CHECK(driver.recorded<RotateRole>().k8s_name == "db-1a2b3c4d");
}

TEST_CASE("rotate_password: an operation that was ended by somebody else is not gone on with") {
    OrchestrationDriver driver;
    driver.fails<RotateSecret>({ErrorKind::conflict, "rotation_ended", "ended"});
    driver.completes<FailOperation>({});
    driver.run<RotatePassword>(input);
    CHECK(driver.calls<RotateRole>() == 0);
    CHECK(driver.recorded<FailOperation>().error.code == "rotation_ended");
}
