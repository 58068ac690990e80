#include "activities/advance_replication.hpp"
#include "activities/apply_secrets.hpp"
#include "activities/assign_role.hpp"
#include "activities/cancel_orchestration.hpp"
#include "activities/check_health.hpp"
#include "activities/deploy_postgres.hpp"
#include "activities/fail_operation.hpp"
#include "activities/list_objects.hpp"
#include "activities/mark_deleted.hpp"
#include "activities/mark_deleting.hpp"
#include "activities/mark_failed.hpp"
#include "activities/mark_running.hpp"
#include "activities/record_health.hpp"
#include "activities/remove_object.hpp"
#include "activities/test_connection.hpp"
#include "activities/wait_for_ready.hpp"
#include "activities/watch_instance.hpp"
#include "orchestrations/create_instance.hpp"
#include "orchestrations/delete_instance.hpp"
#include "orchestrations/health_check.hpp"
#include "support/orchestration_driver.hpp"

using namespace toygres;
using namespace toygres::activities;
using namespace toygres::orchestrations;
using toygres::test::EventKind;
using toygres::test::OrchestrationDriver;

namespace {

const CreateInstance::Input creation{"id", "op",   "db", "db-1a2b3c4d", "toygres", "15", 10,
                                     true, 30'000, 2,    ha::Mode::sync};
const DeleteInstance::Input deletion{"id", "op", "db-1a2b3c4d", "toygres"};

void provisions(OrchestrationDriver& driver) {
    driver.completes<ApplySecrets>({3});
    driver.completes<DeployPostgres>({11});
    driver.completes<WaitForReady>({"127.0.0.2"});
    driver.completes<AssignRole>({});
}

// A look at the members in that state that calls for nothing…
void looks(OrchestrationDriver& driver, const std::string& state) {
    driver.completes<WatchInstance>({.state = state, .epoch = 1, .revision = 1});
}
// …and one that sees something, which is taken into the record.
void advances(OrchestrationDriver& driver, const std::string& from, const std::string& to) {
    driver.completes<WatchInstance>({.state = from, .epoch = 1, .revision = 1, .event = {{"kind", "relaxed"}}});
    driver.completes<AdvanceReplication>({true, to});
}
// Of a single member, until the next check of its health.
void idles(OrchestrationDriver& driver) {
    looks(driver, "single");
    driver.fires_timer();
}

void removes(OrchestrationDriver& driver) {
    driver.completes<ListObjects>({{{"Service", "db-1a2b3c4d"}, {"Secret", "db-1a2b3c4d-tls"}}});
    driver.completes<RemoveObject>({});
    driver.completes<RemoveObject>({});
    driver.completes<ListObjects>({{}});
}

}  // namespace

TEST_CASE("create_instance: applies, waits, connects, confirms the standby, starts the monitor, and is running") {
    OrchestrationDriver driver;
    provisions(driver);
    driver.completes<TestConnection>({"127.0.0.3", "db.svc", "PostgreSQL 15"});
    advances(driver, "creating", "joining");
    looks(driver, "joining");
    driver.fails<WatchInstance>({ErrorKind::transient, "kube_unavailable", "a hiccup"});
    driver.fires_timer();
    advances(driver, "arming", "synced");
    driver.accepts_start();
    driver.completes<MarkRunning>({});
    driver.run<CreateInstance>(creation);
    CHECK(driver.output<CreateInstance>().host == "127.0.0.3");
    CHECK(driver.recorded<MarkRunning>().monitor == "health-db-1a2b3c4d");
    CHECK(driver.calls<ListObjects>() == 0);
}

TEST_CASE("create_instance: removes what it made and keeps the cause when the primary never gets ready") {
    OrchestrationDriver driver;
    driver.completes<ApplySecrets>({3});
    driver.completes<DeployPostgres>({11});
    driver.fails<WaitForReady>({ErrorKind::timeout, "kube_wait_timed_out", "the pod did not become ready"});
    removes(driver);
    driver.completes<MarkFailed>({});
    driver.run<CreateInstance>(creation);
    CHECK(driver.error().code == "kube_wait_timed_out");
    CHECK(driver.recorded<MarkFailed>().error.message == "the pod did not become ready");
    CHECK(driver.calls<MarkRunning>() == 0);
}

TEST_CASE("create_instance: when what it made cannot be removed either, it has failed all the same, for both reasons") {
    OrchestrationDriver driver;
    driver.completes<ApplySecrets>({3});
    driver.fails<DeployPostgres>({ErrorKind::invalid, "kube_invalid", "the Service is invalid"});
    driver.fails<ListObjects>({ErrorKind::forbidden, "kube_forbidden", "secrets may not be listed"});
    driver.completes<MarkFailed>({});
    driver.run<CreateInstance>(creation);
    CHECK(driver.error().code == "kube_invalid");
    const auto message = driver.recorded<MarkFailed>().error.message;
    CHECK(message.starts_with("the Service is invalid; "));
    CHECK(message.contains("secrets may not be listed"));
}

TEST_CASE("create_instance: a cancellation removes what was made, uninterrupted") {
    OrchestrationDriver driver;
    driver.completes<ApplySecrets>({3});
    driver.cancels("the instance is being deleted");
    removes(driver);
    driver.completes<MarkFailed>({});
    driver.run<CreateInstance>(creation);
    CHECK(driver.error().kind == ErrorKind::cancelled);
    CHECK(driver.recorded<MarkFailed>().error.message == "the instance is being deleted");
}

TEST_CASE("create_instance: once it is whole, a cancellation comes too late") {
    OrchestrationDriver driver;
    provisions(driver);
    driver.completes<TestConnection>({"127.0.0.3", "db.svc", "PostgreSQL 15"});
    looks(driver, "synced");
    driver.cancels("too late");
    driver.accepts_start();
    driver.completes<MarkRunning>({});
    driver.run<CreateInstance>(creation);
    CHECK(driver.ended_as() == EventKind::completed);
}

TEST_CASE("delete_instance: cancels the creation, stops the monitor, removes object by object") {
    OrchestrationDriver driver;
    driver.completes<CancelOrchestration>({"cancelled"});
    driver.completes<MarkDeleting>({false});
    driver.completes<CancelOrchestration>({"cancelled"});
    removes(driver);
    driver.completes<MarkDeleted>({});
    driver.run<DeleteInstance>(deletion);
    CHECK(driver.output<DeleteInstance>().deleted);
    CHECK(driver.calls<RemoveObject>() == 2);
}

TEST_CASE("delete_instance: gives up with names when objects come back for ever") {
    OrchestrationDriver driver;
    driver.completes<CancelOrchestration>({"absent"});
    driver.completes<MarkDeleting>({false});
    driver.completes<CancelOrchestration>({"absent"});
    for (int round = 0; round < 10; ++round) {
        driver.completes<ListObjects>({{{"ConfigMap", "revenant"}}});
        driver.completes<RemoveObject>({});
    }
    driver.completes<FailOperation>({});
    driver.run<DeleteInstance>(deletion);
    CHECK(driver.error().code == "objects_remain");
    CHECK(driver.recorded<FailOperation>().error.message.starts_with("ConfigMap revenant"));
}

TEST_CASE("health_check: three failures in a row make it unhealthy, one success healthy again") {
    OrchestrationDriver driver;
    auto input = HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 1000);
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.completes<RecordHealth>({"running"});
    idles(driver);
    for (int i = 0; i < 2; ++i) {
        driver.completes<CheckHealth>({false, std::nullopt, 3, "refused"});
        idles(driver);
    }
    driver.completes<CheckHealth>({false, std::nullopt, 3, "refused"});
    driver.completes<RecordHealth>({"running"});
    idles(driver);
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.completes<RecordHealth>({"running"});
    driver.run<HealthCheck>(input);
    CHECK(driver.calls<RecordHealth>() == 3);
    CHECK(driver.recorded<RecordHealth>().kind == "transition");
    CHECK(driver.recorded<RecordHealth>().status == "healthy");
    CHECK(!driver.ended());
}

TEST_CASE("health_check: a CMS that refuses and a check that breaks are hiccups") {
    OrchestrationDriver driver;
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.fails<RecordHealth>({ErrorKind::internal, "sql_error", "boom"});
    idles(driver);
    driver.fails<CheckHealth>({ErrorKind::internal, "unexpected", "boom"});
    idles(driver);
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.completes<RecordHealth>({"running"});
    driver.run<HealthCheck>(HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 1000));
    CHECK(!driver.ended());
}

// A check each minute, all of them good; the record of the first, which is a change, and of the last.
template <class Monitor> void summarises_after(int minutes) {
    OrchestrationDriver driver;
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.completes<RecordHealth>({"running"});
    for (int minute = 0; minute <= minutes; ++minute) {
        idles(driver);
        driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    }
    driver.completes<RecordHealth>({"running"});
    driver.run<Monitor>(HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 60'000));
    CHECK(driver.calls<RecordHealth>() == 2);
    CHECK(driver.recorded<RecordHealth>().kind == "rollup");
    CHECK(driver.recorded<RecordHealth>().checks == minutes + 1);
}

TEST_CASE("health_check: while nothing changes a summary is written every five minutes, by version 1 each minute") {
    summarises_after<HealthCheck>(5);
    summarises_after<HealthCheckV1>(1);
}

TEST_CASE("health_check: ends by itself when the instance is gone, and when it is cancelled") {
    OrchestrationDriver gone;
    gone.completes<CheckHealth>({false, std::nullopt, 3, "refused"});
    idles(gone);
    gone.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    gone.completes<RecordHealth>({"deleted"});
    gone.run<HealthCheck>(HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 1000));
    CHECK(gone.ended_as() == EventKind::completed);
    OrchestrationDriver cancelled;
    cancelled.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    cancelled.completes<RecordHealth>({"running"});
    cancelled.cancels("deleted");
    cancelled.run<HealthCheck>(HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 1000));
    CHECK(cancelled.error().kind == ErrorKind::cancelled);
}

TEST_CASE("health_check: continues as new after some hundred events and carries what it knows") {
    OrchestrationDriver driver;
    for (int i = 0; i < 100; ++i) {
        driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
        if (i == 0) driver.completes<RecordHealth>({"running"});
        idles(driver);
    }
    auto input = HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 100);
    driver.may_end_early();
    driver.run<HealthCheck>(input);
    CHECK(driver.ended_as() == EventKind::continued_as_new);
    CHECK(driver.next_input<HealthCheck>().status == "healthy");
}

TEST_CASE("health_check: tends replication between its checks, and looks again at once after a step") {
    OrchestrationDriver driver;
    driver.completes<CheckHealth>({true, "15.1", 3, std::nullopt});
    driver.completes<RecordHealth>({"running"});
    advances(driver, "synced", "failing_over");
    advances(driver, "failing_over", "failing_over");
    advances(driver, "failing_over", "rejoining");
    looks(driver, "rejoining");
    driver.run<HealthCheck>(HealthCheck::first_input("id", "db-1a2b3c4d", "toygres", 30'000));
    CHECK(driver.calls<CheckHealth>() == 1);
    CHECK(driver.calls<AdvanceReplication>() == 3);
    CHECK(driver.calls<WatchInstance>() == 5);
    CHECK(!driver.ended());
}
