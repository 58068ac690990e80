// What an API server says when it refuses, as our errors.
#pragma once
#include "http/message.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace toygres::kube {

// The error of an answer that is not 2xx: its Status object, or its plain body. `action` tells what was tried, on what:
// "apply StatefulSet toygres/mydb-1"; it opens the message, Kubernetes' reason follows.
//   404 not_found/"kube_not_found"      409 conflict/"kube_already_exists" or "kube_conflict"
//   401 forbidden/"kube_unauthorized"   403 forbidden/"kube_forbidden"
//   a quota that is used up transient/"kube_quota_exceeded", an admission webhook or policy that refuses
//   transient/"kube_denied": either may think better of it
//   400, 413, 415, 422 invalid/"kube_invalid", details {"causes": [{"field", "message", "reason"}]}
//   410 transient/"kube_expired"        429 transient/"kube_throttled"
//   504 timeout/"kube_timed_out"        other 5xx transient/"kube_unavailable"
Error status_error(const std::string& action, const http::Response& response);

// The same for an answer that never came: transient/"kube_unreachable", timeout/"kube_timed_out",
// invalid/"kube_tls_untrusted".
Error transport_error(const std::string& action, const Error& cause);

// The Retry-After of an answer, in seconds or as retryAfterSeconds of its Status.
std::optional<std::chrono::milliseconds> retry_after(const http::Response& response);

}  // namespace toygres::kube
