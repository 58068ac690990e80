// The history of an orchestration as people read it: a line for each thing that it did, how long that took and how it
// ended, with what its children did below them.
#pragma once
#include "base/json.hpp"

#include <functional>
#include <string>

namespace toygres::cli {

struct TreeOptions {
    Timestamp now;               // for what is still open
    std::size_t lines_max = 60;  // of one orchestration; the middle of longer ones is left out. 0: no limit
    int depth_max = 5;           // of children below children
};

// `history`: what the API gives of one execution. `history_of`: the same of a child's current execution; null when
// there is none to be had. One line per command, newline at the end of each; empty when nothing was done yet.
std::string draw_history(const Json& history, const std::function<Json(const std::string& id)>& history_of,
                         const TreeOptions& options);

}  // namespace toygres::cli
