// The processes of a member's pod on this machine, found through /proc: whatever the cluster thinks of them.
#pragma once
#include <string>
#include <vector>

namespace toygres::test {

// 0 while there is none.
int agent_of(const std::string& member);
int postmaster_of(const std::string& member);
// The postmaster first; empty while there is none.
std::vector<int> server_processes_of(const std::string& member);
// The first of them whose title has that word, such as "walsender"; 0 while there is none.
int server_process_of(const std::string& member, const std::string& title);

}  // namespace toygres::test
