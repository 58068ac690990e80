// How a member reaches another one: by its own name, over TLS that proves the name, with the password in a file.
#pragma once
#include "agent/options.hpp"
#include "base/error.hpp"

#include <string>

namespace toygres::agent {

// "<member>-0.<instance>-members.<namespace>.svc.cluster.local": the member itself, never the service that follows the
// role. Without a control plane the one other member is PRIMARY_HOST.
std::string member_host(const Options& options, const std::string& member);

// libpq's connection strings; neither holds a secret. `name` is the application_name.
std::string replication_conninfo(const Options& options, const std::string& member, const std::string& user,
                                 const std::string& name);
std::string superuser_conninfo(const Options& options, const std::string& member);

// The role that replicates. Error: not_found/"file_not_found" when its Secret is not mounted.
Result<std::string> replication_user(const Options& options);

// Where the connection strings look for passwords, and what that file must hold. Error: as above.
std::string passfile_path(const Options& options);
Result<std::string> passfile_text(const Options& options);

}  // namespace toygres::agent
