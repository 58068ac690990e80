// Where the members of an instance run and what their objects carry, as it was chosen when the instance was created.
// What is absent is as the server has it by default. Stored with the instance, so every member is optional for ever.
#pragma once
#include "base/json.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::kube {

// Quantities as Kubernetes writes them; an absent one is left out.
struct Resources {
    std::optional<std::string> cpu_request;  // "100m"
    std::optional<std::string> cpu_limit;
    std::optional<std::string> memory_request;  // "256Mi"
    std::optional<std::string> memory_limit;
    bool operator==(const Resources&) const = default;
};
BOOST_DESCRIBE_STRUCT(Resources, (), (cpu_request, cpu_limit, memory_request, memory_limit))

// Members of an instance are kept apart from each other: on nodes, or in zones, of their own.
enum class Spread { hostname, zone };
BOOST_DESCRIBE_ENUM(Spread, hostname, zone)

struct Placement {
    std::optional<Spread> spread;         // default: hostname
    std::optional<bool> spread_required;  // rather no pod than one beside another; default: preferred alone
    std::optional<std::string> priority_class;
    std::optional<Resources> resources;
    std::optional<std::string> storage_class;
    std::optional<std::map<std::string, std::string>> pod_annotations;
    std::optional<std::map<std::string, std::string>> service_annotations;
    std::optional<std::vector<std::string>> load_balancer_source_ranges;  // "203.0.113.0/24"
    bool operator==(const Placement&) const = default;
};
BOOST_DESCRIBE_STRUCT(Placement, (),
                      (spread, spread_required, priority_class, resources, storage_class, pod_annotations,
                       service_annotations, load_balancer_source_ranges))

struct PlacementError {
    std::string field;  // "resources.cpu_limit", below the placement
    std::string message;
};
// All that Kubernetes, or the control plane, would not take. `load_balancer`: the instance's Service is one.
std::vector<PlacementError> problems_of(const Placement& placement, bool load_balancer);

// The value of a quantity such as "1500m", "2", "1.5Gi" or "1e9", in thousandths; nullopt: it is none, is negative, or
// is beyond an exabyte.
std::optional<double> quantity_milli(std::string_view text);

}  // namespace toygres::kube
