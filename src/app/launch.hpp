// The verbs of the command line that run parts of toygres in this process: bound to what src/app implements.
#pragma once
#include "cli/launcher.hpp"

namespace toygres::app {

cli::Launcher make_launcher();

}  // namespace toygres::app
