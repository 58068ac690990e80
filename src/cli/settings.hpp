// Which server to talk to and as whom: flags, then the environment, then the context, then what `toygres up` has left.
#pragma once
#include "base/secret.hpp"

#include <optional>
#include <string>

namespace toygres::cli {

// As given on the command line; empty: not given.
struct ConnectionFlags {
    std::string api_url;
    std::string token;
    std::string token_file;
    std::string ca_file;
    std::string state_dir;
    std::string context;
};

struct ApiSettings {
    std::string api_url;  // without a slash at its end
    Secret token;         // empty: none known
    std::string ca_pem;   // empty: the system's trust store
    bool is_local;        // the server of a state directory
};

// TOYGRES_STATE_DIR, or ~/.toygres.
std::string default_state_dir();

// From TOYGRES_API_URL, TOYGRES_API_TOKEN, TOYGRES_API_TOKEN_FILE, TOYGRES_CA_FILE, TOYGRES_CONTEXT, the contexts and
// <state_dir>/cli.json. The current context counts unless a state directory was asked for. The token of a context or of
// a state directory is never sent to another server than its own. Errors: not_found/"file_not_found",
// not_found/"no_such_context", invalid/"bad_cli_config", those of load_contexts().
Result<ApiSettings> find_settings(const ConnectionFlags& flags);

}  // namespace toygres::cli
