#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace toygres {

void assertion_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr,
                 "{\"level\":\"fatal\",\"event\":\"assertion.failed\",\"expression\":\"%s\",\"at\":\"%s:%d\"}\n",
                 expression, file, line);
    std::abort();
}

}  // namespace toygres
