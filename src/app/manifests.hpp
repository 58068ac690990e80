// The Kubernetes objects of toygres itself: those of deploy/kubernetes, which kustomize reads as well, with what an
// installation chooses.
#pragma once
#include "base/error.hpp"
#include "cli/launcher.hpp"
#include "kube/client.hpp"

#include <string>
#include <vector>

namespace toygres::app {

// YAML, one document for each object, in the order in which to apply. Error: invalid/"invalid_manifests_option" with
// what is wrong.
Result<std::string> render_manifests(const cli::ManifestsOptions& options);

// What the Role among them grants the server in namespace `ns`.
std::vector<kube::Permission> server_permissions(const std::string& ns);

}  // namespace toygres::app
