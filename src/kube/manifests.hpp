// The Kubernetes objects of one instance, as pure functions of what it should be: names, labels, rendered objects in
// the order in which they are applied, and what a deletion removes.
#pragma once
#include "base/secret.hpp"
#include "base/x509.hpp"
#include "ha/topology.hpp"
#include "kube/placement.hpp"
#include "kube/resource.hpp"
#include "kube/template.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::kube {

enum class ServiceType { LoadBalancer, ClusterIP };
BOOST_DESCRIBE_ENUM(ServiceType, LoadBalancer, ClusterIP)

struct InstanceSpec {
    std::string name;         // what the user calls it
    std::string instance_id;  // the CMS's UUID
    std::string k8s_name;     // name and eight hex digits; at most 46 characters
    std::string ns;
    std::string postgres_version;  // "17": a tag of the image
    std::int64_t storage_gb;
    std::int64_t members;
    ServiceType service_type;
    std::string agent_image;                       // "toygres-agent:0.1.0"
    std::optional<std::string> postgres_image;     // repository without tag; default "postgres"
    std::optional<std::string> storage_class;      // default: the cluster's default class
    std::optional<std::string> image_pull_policy;  // default IfNotPresent
    std::optional<std::vector<std::string>> image_pull_secrets;
    std::optional<Resources> resources;       // default of each: 100m and 256Mi requested, no limit
    std::optional<std::string> zone;          // of the nodes that a member may run on; default: any
    std::optional<Placement> placement;       // but for its classes of storage and its resources, which are above
    std::optional<std::string> installation;  // id of the control plane that the objects belong to
};
BOOST_DESCRIBE_STRUCT(InstanceSpec, (),
                      (name, instance_id, k8s_name, ns, postgres_version, storage_gb, members, service_type,
                       agent_image, postgres_image, storage_class, image_pull_policy, image_pull_secrets, resources,
                       zone, placement, installation))

// What goes into the Secrets. Never stored anywhere but there.
struct InstanceSecrets {
    Secret superuser_password;
    Secret replication_password;
    CertificatePair ca;
    CertificatePair server;
    CertificatePair client;  // the control plane's, for the agents and for postgres
};
inline constexpr std::string_view replication_user = "toygres_replication";
inline constexpr std::string_view control_plane_cn = "toygres-control-plane";

// New passwords (but the superuser's when it is given), a CA and certificates for all names that an instance is reached
// by in the cluster; with the CA that there is, if there is one.
InstanceSecrets make_secrets(const InstanceSpec& spec, std::optional<Secret> superuser_password = std::nullopt,
                             std::optional<CertificatePair> ca = std::nullopt);

// Names. Members count from 1.
std::string member_name(const std::string& k8s_name, std::int64_t member);   // "<k8s>-1"
std::string member_pod(const std::string& k8s_name, std::int64_t member);    // "<k8s>-1-0"
std::string member_claim(const std::string& k8s_name, std::int64_t member);  // "<k8s>-1-data"
std::string superuser_secret(const std::string& k8s_name);
std::string replication_secret(const std::string& k8s_name);
std::string tls_secret(const std::string& k8s_name);
std::string ca_secret(const std::string& k8s_name);
std::string topology_config_map(const std::string& k8s_name);
std::string rw_service(const std::string& k8s_name);
std::string ro_service(const std::string& k8s_name);
std::string members_service(const std::string& k8s_name);
// "<k8s>-1-0.<k8s>-members.<ns>.svc.cluster.local"
std::string member_host(const std::string& k8s_name, const std::string& ns, std::int64_t member);

// Label selectors: everything of an instance; everything of toygres; one member's.
std::string instance_selector(const std::string& k8s_name);
std::string managed_selector();
std::string member_selector(const std::string& k8s_name, std::int64_t member);
inline constexpr std::string_view role_label = "toygres.io/role";
// On everything but what releases without it have made.
inline constexpr std::string_view installation_label = "toygres.io/installation";
// Merge patch for a pod: sets the role label, or removes it for Role::none.
Json role_label_patch(ha::Role role);

// Epoch 1, the first member is the primary.
ha::Topology first_topology(const InstanceSpec& spec);

// The Secrets: to be created, an existing one is kept (its values are in use). Errors: those of the templates.
Result<std::vector<Json>> secret_objects(const Templates& templates, const InstanceSpec& spec,
                                         const InstanceSecrets& secrets);
// Everything else, in the order in which to apply; members not in the topology are not there.
Result<std::vector<Json>> instance_objects(const Templates& templates, const InstanceSpec& spec,
                                           const ha::Topology& topology);
// The topology ConfigMap alone: for a change of roles.
Result<Json> topology_object(const Templates& templates, const InstanceSpec& spec, const ha::Topology& topology);
// Claim and StatefulSet of one member; `replicas` 0 is a fenced member.
Result<std::vector<Json>> member_objects(const Templates& templates, const InstanceSpec& spec, std::int64_t member,
                                         std::int64_t replicas = 1);

// Every object of the instance in the order in which a deletion removes them: traffic first, the disks and the Secrets
// last.
std::vector<ResourceRef> deletion_order(const std::string& k8s_name, const std::string& ns, std::int64_t members);
// The kinds that a sweep by label must look at, in the same order; for leftovers that no name leads to.
std::vector<std::string> swept_kinds();

// Renders everything with made-up values, so that a template that does not fit is found at start.
// Error: invalid/"template_mismatch" or "invalid_template", with file and line.
Result<void> validate(const Templates& templates);

}  // namespace toygres::kube
