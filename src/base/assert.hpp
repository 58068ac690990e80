// TG_ASSERT: always on, for invariants that only a bug can break. It ends the process; recovery is a restart.
#pragma once

namespace toygres {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define TG_ASSERT(expression)                             \
    (static_cast<bool>(expression) ? static_cast<void>(0) \
                                   : ::toygres::assertion_failed(#expression, __FILE_NAME__, __LINE__))
