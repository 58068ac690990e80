// What an installation in a cluster keeps for itself in one Secret: made by the first server that starts, read by the
// others, so that no manifest holds it.
#pragma once
#include "base/secret.hpp"
#include "kube/kubeconfig.hpp"

#include <string>

namespace toygres::app {

// The key of that Secret under which the sealing keys are, as base/seal_keys.hpp has them.
inline constexpr auto installation_seal_key = "seal-key";

struct Installation {
    Secret seal_key;           // one or more, as Sealer::from_key takes them
    Secret api_token;          // the first one
    Secret database_password;  // of the database that came with the installation
};

// The Secret of that name in the namespace that `access` is at home in; of several processes that find none, one makes
// it and all get what it made. Errors: those of the Kubernetes client; not_found/"secret_key_missing" or
// invalid/"bad_seal_key" when somebody else made it.
Result<Installation> find_installation(const kube::Access& access, const std::string& name);

// The database as the command line names it: `conninfo` with the password that the file holds, if one is named, or else
// with that of the installation, if `secret` is not empty. For verbs that are run inside a pod. Errors: not_found/
// "file_not_found", those of find_installation and of kube::find_access, invalid/"bad_conninfo".
Result<std::string> reach_database(const std::string& conninfo, const std::string& password_file,
                                   const std::string& secret);
// `conninfo` with the password that is the file's first line.
Result<std::string> with_password_file(const std::string& conninfo, const std::string& path);

}  // namespace toygres::app
