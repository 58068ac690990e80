#include "stack.hpp"

namespace toygres::test {

Stack& shared_stack() {
    static Stack stack;
    static const bool started = [] {
        stack.up();
        return true;
    }();
    static_cast<void>(started);
    return stack;
}

}  // namespace toygres::test
