// The `toygres` command.
#pragma once
#include "cli/console.hpp"
#include "cli/launcher.hpp"

namespace toygres::cli {

// Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 operation failed, 5 timed out.
int run_cli(int argc, const char* const* argv, const Launcher& launcher);
int run_cli(int argc, const char* const* argv, const Launcher& launcher, Console console);

}  // namespace toygres::cli
