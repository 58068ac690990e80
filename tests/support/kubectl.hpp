// The kubectl that tests drive: the one in $TOYGRES_TEST_KUBECTL, or else that of PATH.
#pragma once
#include <string>
#include <vector>

namespace toygres::test {

// Both fail the test, with what to do about it, when there is none.
std::string kubectl_program();
// 20 of v1.20.2.
int kubectl_minor();

// Settings of the environment, one of which each, under which kubectl runs commands over every transport it knows:
// before 1.29 that is SPDY alone.
std::vector<std::string> exec_transports();

}  // namespace toygres::test
