// Kubernetes' protobuf form of request bodies, which stock clients send for built-in kinds whatever the server offers.
#pragma once
#include "base/json.hpp"

#include <string_view>

namespace toygres::localkube {

// Is the body in the envelope ("k8s\0" and a runtime.Unknown)?
bool is_kube_protobuf(std::string_view body);

// The object as its JSON. Throws ErrorException: invalid/"invalid_protobuf": a kind or field that this cluster does not
// know, or a torn message.
Json parse_kube_protobuf(std::string_view body);

}  // namespace toygres::localkube
