// The Kubernetes objects of toygres itself: those of deploy/kubernetes, which kustomize reads as well, with what an
// installation chooses.
#pragma once
#include "base/error.hpp"
#include "cli/launcher.hpp"

#include <string>

namespace toygres::app {

// YAML, one document for each object, in the order in which to apply. Error: invalid/"invalid_manifests_option" with
// what is wrong.
Result<std::string> render_manifests(const cli::ManifestsOptions& options);

}  // namespace toygres::app
