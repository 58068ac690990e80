#include "orchestrations/registry.hpp"

#include "orchestrations/create_instance.hpp"
#include "orchestrations/delete_instance.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/keep_certificates.hpp"
#include "orchestrations/post_alert.hpp"
#include "orchestrations/repair_drift.hpp"
#include "orchestrations/rotate_password.hpp"
#include "orchestrations/supervisor.hpp"
#include "orchestrations/verify_replication.hpp"
#include "runtime/schedule/schedule.hpp"

namespace toygres::orchestrations {

void register_orchestrations(runtime::OrchestrationRegistry& registry) {
    registry.add<CreateInstance>();
    registry.add<DeleteInstance>();
    registry.add<HealthCheckV1>();
    registry.add<HealthCheck>();
    registry.add<KeepCertificates>();
    registry.add<PostAlert>();
    registry.add<RepairDrift>();
    registry.add<RotatePassword>();
    registry.add<runtime::Schedule>();
    registry.add<Supervisor>();
    registry.add<VerifyReplication>();
}

}  // namespace toygres::orchestrations
