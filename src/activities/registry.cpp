#include "activities/registry.hpp"

#include "activities/advance_replication.hpp"
#include "activities/apply_secrets.hpp"
#include "activities/assign_role.hpp"
#include "activities/cancel_orchestration.hpp"
#include "activities/check_health.hpp"
#include "activities/deploy_postgres.hpp"
#include "activities/end_operation.hpp"
#include "activities/fail_operation.hpp"
#include "activities/keep_house.hpp"
#include "activities/list_objects.hpp"
#include "activities/mark_deleted.hpp"
#include "activities/mark_deleting.hpp"
#include "activities/mark_failed.hpp"
#include "activities/mark_running.hpp"
#include "activities/record_health.hpp"
#include "activities/remove_object.hpp"
#include "activities/renew_certificates.hpp"
#include "activities/repair_drift.hpp"
#include "activities/rotate_password.hpp"
#include "activities/tell_people.hpp"
#include "activities/test_connection.hpp"
#include "activities/verify_marker.hpp"
#include "activities/wait_for_ready.hpp"
#include "activities/watch_instance.hpp"
#include "runtime/schedule/activities.hpp"

namespace toygres::activities {

void register_activities(runtime::ActivityRegistry& registry) {
    registry.add<ApplySecrets>();
    registry.add<AssignRole>();
    registry.add<CancelOrchestration>();
    registry.add<CheckHealth>();
    registry.add<DeployPostgres>();
    registry.add<FindDrift>();
    registry.add<ListObjects>();
    registry.add<PostAlert>();
    registry.add<RemoveObject>();
    registry.add<RemoveOrphan>();
    registry.add<RenewCertificates>();
    registry.add<RestoreObject>();
    registry.add<RotateRole>();
    registry.add<RotateSecret>();
    registry.add<TestConnection>();
    registry.add<VerifyMarker>();
    registry.add<WaitForReady>();
    registry.add<WatchInstance>();
    registry.add_step<AdvanceReplication>();
    registry.add_step<BeginRepair>();
    registry.add_step<EndOperation>();
    registry.add_step<EndRepair>();
    registry.add_step<FailOperation>();
    registry.add_step<KeepHouse>();
    registry.add_step<MarkDeleted>();
    registry.add_step<MarkDeleting>();
    registry.add_step<MarkFailed>();
    registry.add_step<MarkRunning>();
    registry.add_step<RecordHealth>();
    runtime::register_schedule_activities(registry);
}

}  // namespace toygres::activities
