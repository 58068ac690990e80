// Why Kubernetes does not get on with a member or a request: what pods, claims, events and refusals tell.
#pragma once
#include "ha/trouble.hpp"
#include "kube/client.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::kube {

// What a pod tells itself: a container that cannot start, no node to run on, a node that does not answer
// ("NodeNotReady"), an end that does not come ("Terminating"). nullopt: nothing is wrong, or nothing that the pod
// tells. `at`: now.
std::optional<ha::Trouble> trouble_of_pod(const Json& pod, Timestamp at);

// Of any object that is being deleted: what holds it ("Terminating") when it should have been gone for a while.
std::optional<ha::Trouble> trouble_of_deletion(const Json& object, Timestamp at);

// The newest of an object's events, when it tells of a failure. Probes that fail tell nothing: servers start so.
std::optional<ha::Trouble> trouble_of_events(const std::vector<Json>& events);

// A request that failed. Reason: Kubernetes' own (status.hpp), "QuotaExceeded", "AdmissionDenied", or
// "KubernetesUnreachable" where no answer came.
ha::Trouble trouble_of(const Error& error);

// Why the pod of a member is not ready, as far as Kubernetes tells: from the pod, the events of the StatefulSet that
// does not make it, its claim and the claim's events, its own events. nullopt: it is ready, or only needs its time. An
// API that does not answer is a trouble too.
asio::awaitable<std::optional<ha::Trouble>> member_trouble(Client& client, std::string ns, std::string k8s_name,
                                                           std::int64_t member);

}  // namespace toygres::kube
