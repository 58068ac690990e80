// How the process ends.
#pragma once
#include "base/error.hpp"

namespace toygres::cli {

enum ExitCode {
    exit_ok = 0,
    exit_failed = 1,
    exit_usage = 2,
    exit_not_found = 3,
    exit_operation_failed = 4,
    exit_timed_out = 5,
};

// "operation_failed" and "wait_timed_out" have codes of their own; else by kind: invalid 2, not_found 3, others 1.
ExitCode exit_code_of(const Error& error);

}  // namespace toygres::cli
