// Shows something again and again.
#pragma once
#include "cli/session.hpp"

#include <functional>

namespace toygres::cli {

// Runs `show`, which prints to the session's console, every two seconds: on a terminal the screen is drawn anew,
// elsewhere what is the same as before is left out. Outlasts a server that is away for a minute. Ends with an error
// that does not pass, or when nobody reads any more.
int watch(Session& session, const std::function<int()>& show);

}  // namespace toygres::cli
