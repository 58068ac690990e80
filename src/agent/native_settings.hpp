// What the environment of a member without a control plane says, checked as a whole: docs/native.md has the table.
#pragma once
#include "base/secret.hpp"
#include "ha/topology.hpp"

#include <expected>
#include <map>
#include <string>
#include <vector>

namespace toygres::agent {

using Environment = std::map<std::string, std::string>;
Environment environment_of_this_process();

// One variable that cannot be obeyed.
struct Problem {
    std::string variable;
    std::string what;    // is wrong with it; never its value when that is a secret
    std::string remedy;  // what to do
};

struct NativeSettings {
    ha::Role role;     // `none`: stands alone
    std::string node;  // NODE_NAME, else the host's name
    std::string primary_host;
    unsigned short primary_port;
    std::string superuser;
    Secret superuser_password;
    std::string replication_user;
    Secret replication_password;           // of an instance that stands alone it may be empty
    std::vector<std::string> synchronous;  // nodes of which any one has to confirm a commit; empty: commits do not wait
    std::string data_dir;                  // without a '/' at its end
    std::string address;
    unsigned short port;
    unsigned short status_port;
    std::string tls_dir;  // may be empty
    std::string private_dir;
    std::string socket_dir;
    bool reclone;
};

// Reads password files and looks at directories, changes nothing. Errors: every problem that there is, in the order of
// the table. A variable that is set to nothing counts as not set.
std::expected<NativeSettings, std::vector<Problem>> read_native_settings(const Environment& environment,
                                                                         const std::string& host_name);

// Where the member of this container listens and keeps its private files; what is wrong is left at its default.
struct NativePlaces {
    std::string address = "0.0.0.0";
    unsigned short status_port = 8443;
    std::string private_dir = "/run/toygres-private";
};
NativePlaces native_places(const Environment& environment);

}  // namespace toygres::agent
