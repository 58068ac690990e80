#include "agent/process_table.hpp"

#include "base/file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

namespace toygres::agent {
namespace {

template <class N> bool read_number(std::string_view text, N& out) {
    return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

std::string title_of(const std::string& directory) {
    auto title = read_file(directory + "/cmdline").value_or("");
    std::ranges::replace(title, '\0', ' ');
    title.erase(title.find_last_not_of(' ') + 1);
    return title;
}

}  // namespace

std::vector<ProcessEntry> children_of(pid_t parent) {
    std::vector<ProcessEntry> out;
    std::error_code e;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", e)) {
        pid_t pid = 0;
        if (!read_number(entry.path().filename().string(), pid)) continue;
        // "12 (postgres) S 1 …": number, name, state, parent.
        const auto stat = read_file(entry.path().string() + "/stat").value_or("");
        const auto open = stat.find('(');
        const auto close = stat.rfind(") ");
        if (open == std::string::npos || close == std::string::npos || close + 4 > stat.size()) continue;
        pid_t its_parent = 0;
        if (!read_number(std::string_view(stat).substr(close + 4), its_parent) || its_parent != parent) continue;
        out.push_back({pid, stat.substr(open + 1, close - open - 1), title_of(entry.path().string()), stat[close + 2]});
    }
    return out;
}

std::string describe_children(pid_t postmaster) {
    std::vector<std::string> out;
    for (const auto& child : children_of(postmaster)) {
        const auto colon = child.title.find(": ");
        const auto title = colon == std::string::npos ? child.title : child.title.substr(colon + 2);
        out.push_back(fmt::format("{} ({})", title.empty() ? child.name : title, child.state));
    }
    std::ranges::sort(out);
    return out.empty() ? "the postmaster alone" : fmt::format("{}", fmt::join(out, ", "));
}

}  // namespace toygres::agent
