// What objects of the API tell: conditions, a pod's troubles, a Service's address, a Secret's values.
#pragma once
#include "base/json.hpp"
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace toygres::kube {

// The text at a JSON pointer ("/status/podIP"); empty when there is none.
std::string text_at(const Json& object, const std::string& pointer);

// status.conditions[type] is "True".
bool has_condition(const Json& object, std::string_view type);

// Why a pod does not get on, for people: "postgres: ImagePullBackOff: no such image"; empty when nothing is wrong.
// `hopeless` tells that waiting alone will not mend it (bad image name, bad configuration).
struct PodTrouble {
    std::string message;
    bool hopeless;
};
PodTrouble pod_trouble(const Json& pod);

// A Predicate of watch.hpp: the pod is Ready, and not on its way out. Error: invalid/"pod_cannot_start" on hopeless
// trouble.
Result<bool> pod_ready(const Json* pod);
// A Predicate: the pod has an address, so that its agent can be asked. Errors as pod_ready.
Result<bool> pod_has_address(const Json* pod);

// Where a Service is reached: the load balancer's address or name, or else the cluster address; nullopt while a load
// balancer has none yet, and for headless ones.
std::optional<std::string> service_address(const Json& service);
// A Predicate: the Service has an address.
Result<bool> service_has_address(const Json* service);

// A value of a Secret, decoded. Error: not_found/"secret_key_missing" with the Secret's name and the key.
Result<Secret> secret_value(const Json& secret, const std::string& key);

}  // namespace toygres::kube
