#include "orchestrations/registry.hpp"

#include "orchestrations/create_instance.hpp"
#include "orchestrations/delete_instance.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/keep_certificates.hpp"
#include "orchestrations/supervisor.hpp"

namespace toygres::orchestrations {

void register_orchestrations(runtime::OrchestrationRegistry& registry) {
    registry.add<CreateInstance>();
    registry.add<DeleteInstance>();
    registry.add<HealthCheck>();
    registry.add<KeepCertificates>();
    registry.add<Supervisor>();
}

}  // namespace toygres::orchestrations
