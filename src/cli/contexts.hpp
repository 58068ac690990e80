// The servers that a user has logged in to, in a file that only they can read.
#pragma once
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cli {

struct Context {
    std::string name;
    std::string api_url;  // without a slash at its end
    Secret token;
    std::string ca_file;  // empty: the system's trust store
};

struct Contexts {
    std::string current;  // empty: none
    std::vector<Context> all;

    // nullptr: there is none of that name.
    const Context* find(const std::string& name) const;
    // Takes the place of one of the same name.
    void put(Context context);
    // false: there is none of that name. The current one leaves none.
    bool remove(const std::string& name);
};

// TOYGRES_CONFIG, or toygres/config.yaml in XDG_CONFIG_HOME or ~/.config.
std::string contexts_path();
// None when there is no file. Errors: forbidden/"config_readable" when others may read it, invalid/"bad_cli_config".
Result<Contexts> load_contexts();
// With mode 0600, in a directory that is made when it is absent. Error: internal/"file_unwritable".
Result<void> save_contexts(const Contexts& contexts);

}  // namespace toygres::cli
