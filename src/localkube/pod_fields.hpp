// The downward API: a pod's own fields and its containers' resources as text.
#pragma once
#include "localkube/object_store.hpp"

#include <optional>
#include <string>

namespace toygres::localkube {

// "metadata.name", "metadata.labels['app']", "metadata.labels", "spec.nodeName", "status.podIP", …; nullopt for a path
// that the downward API does not have.
std::optional<std::string> pod_field(const Object& pod, const std::string& path);

// {"resource": "limits.memory", "divisor": "1Mi", "containerName": …}: a whole number, rounded up; "0" when unset.
std::string resource_field(const Object& pod, const Object& container, const Object& reference);

// "500m" -> 0.5, "1Gi" -> 1073741824; nullopt when it is no quantity.
std::optional<double> parse_quantity(const std::string& text);

}  // namespace toygres::localkube
