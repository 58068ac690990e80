#include "processes.hpp"

#include "base/file.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

namespace toygres::test {

namespace fs = std::filesystem;

namespace {

// Of a process: its name and parent; nullopt once it is gone or a zombie.
struct Process {
    std::string name;
    int parent;
};

std::optional<Process> process(int pid) {
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
    if (!stat) return std::nullopt;
    const auto open = stat->find('(');
    const auto close = stat->rfind(')');
    std::istringstream rest(stat->substr(close + 1));
    std::string state;
    int parent = 0;
    rest >> state >> parent;
    if (state == "Z" || state == "X") return std::nullopt;
    return Process{stat->substr(open + 1, close - open - 1), parent};
}

std::vector<int> all_processes() {
    std::vector<int> out;
    for (const auto& entry : fs::directory_iterator("/proc"))
        if (const auto pid = std::atoi(entry.path().filename().c_str()); pid > 0) out.push_back(pid);
    return out;
}

bool runs_for(int pid, const std::string& member) {
    const auto environment = read_file(fmt::format("/proc/{}/environ", pid));
    return environment && ('\0' + *environment).contains(std::string(1, '\0') + "TOYGRES_MEMBER=" + member + '\0');
}

}  // namespace

int agent_of(const std::string& member) {
    for (const auto pid : all_processes())
        if (const auto p = process(pid); p && p->name == "toygres-agent" && runs_for(pid, member)) return pid;
    return 0;
}

int postmaster_of(const std::string& member) {
    const auto parent = agent_of(member);
    for (const auto pid : all_processes())
        if (const auto p = process(pid); p && parent != 0 && p->parent == parent && p->name == "postgres") return pid;
    return 0;
}

std::vector<int> server_processes_of(const std::string& member) {
    const auto root = postmaster_of(member);
    if (root == 0) return {};
    std::vector<int> out{root};
    for (const auto pid : all_processes())
        if (const auto p = process(pid); p && p->parent == root) out.push_back(pid);
    return out;
}

int server_process_of(const std::string& member, const std::string& title) {
    for (const auto pid : server_processes_of(member))
        if (read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("").contains(title)) return pid;
    return 0;
}

}  // namespace toygres::test
