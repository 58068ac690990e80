#include "support/measure.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace toygres::bench {
namespace {

struct ProcessTimes {
    pid_t parent;
    double own_s;
    double ended_children_s;
};

// /proc/<pid>/stat, counted from behind the name, which may hold anything.
std::optional<ProcessTimes> times_of(const std::string& pid) {
    const auto text = read_file("/proc/" + pid + "/stat");
    if (!text) return std::nullopt;
    std::istringstream fields(text->substr(text->rfind(')') + 1));
    std::vector<std::string> field;
    for (std::string word; fields >> word;) field.push_back(word);
    if (field.size() < 15) return std::nullopt;
    const auto seconds = [&](std::size_t at) {
        return std::stod(field[at]) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    };
    return ProcessTimes{std::stoi(field[1]), seconds(11) + seconds(12), seconds(13) + seconds(14)};
}

}  // namespace

double percentile(std::vector<double> samples, double fraction) {
    if (samples.empty()) return 0;
    std::ranges::sort(samples);
    const auto rank = static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(samples.size())));
    return samples[std::clamp<std::size_t>(rank, 1, samples.size()) - 1];
}

double own_cpu_s() {
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double tree_cpu_s(pid_t root) {
    double sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const auto times = times_of(name);
        if (!times) continue;
        if (name == std::to_string(root)) sum += times->own_s + times->ended_children_s;
        if (times->parent == root) sum += times->own_s;
    }
    return sum;
}

std::string output_of(const std::string& command) {
    std::string out;
    auto* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) raise(ErrorKind::internal, "command_failed", command);
    std::array<char, 4096> buffer{};
    while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
    if (::pclose(pipe) != 0) raise(ErrorKind::internal, "command_failed", command);
    return out;
}

Report::Report(std::string_view title) { fmt::print("{}\n", title); }

void Report::heading(std::string_view text) {
    fmt::print("\n{}\n", text);
    std::fflush(stdout);
}

void Report::figure(std::string_view key, double value, std::string_view meaning) {
    const auto rounded = std::round(value * 1000) / 1000;
    fmt::print("  {:<36} {:>12}   {}\n", key, fmt::format("{:.3f}", rounded), meaning);
    std::fflush(stdout);
    figures_[std::string(key)] = rounded;
}

void Report::finish() const { fmt::print("\n{}\n", figures_.dump()); }

}  // namespace toygres::bench
