#include "metrics/process.hpp"

#include "metrics/metrics.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace toygres::metrics {
namespace {

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

// The fields of /proc/self/stat behind the name of the program, which may hold anything: the first is the state.
std::optional<long long> stat_field(int number_after_name) {
    std::ifstream file("/proc/self/stat");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto end = text.rfind(')');
    if (end == std::string::npos) return std::nullopt;
    std::istringstream fields(text.substr(end + 1));
    std::string field;
    for (int i = 0; i < number_after_name; ++i) fields >> field;
    long long out = 0;
    return fields >> out ? std::optional(out) : std::nullopt;
}

std::optional<double> boot_time() {
    std::ifstream file("/proc/stat");
    for (std::string word; file >> word;)
        if (double seconds = 0; word == "btime" && file >> seconds) return seconds;
    return std::nullopt;
}

void set(const char* name, const char* help, std::optional<double> value) {
    if (value) gauge(name, help).Set(*value);
}

std::optional<double> started_at() {
    const auto boot = boot_time();
    const auto ticks = stat_field(19);
    if (!boot || !ticks) return std::nullopt;
    return *boot + static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::optional<double> resident_bytes() {
    const auto pages = stat_field(21);
    if (!pages) return std::nullopt;
    return static_cast<double>(*pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::optional<double> open_files() {
    std::error_code error;
    const std::filesystem::directory_iterator files("/proc/self/fd", error);
    if (error) return std::nullopt;
    return static_cast<double>(std::distance(begin(files), end(files)));
}

std::optional<double> files_max() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
    return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void observe_process() {
    auto& cpu = counter("process_cpu_seconds_total", "Processor time that this process has used");
    cpu.Increment(std::max(0.0, cpu_seconds() - cpu.Value()));
    set("process_resident_memory_bytes", "Memory of this process", resident_bytes());
    set("process_open_fds", "Files and sockets that this process has open", open_files());
    set("process_max_fds", "How many files and sockets this process may have open", files_max());
    set("process_start_time_seconds", "When this process began", started_at());
}

}  // namespace toygres::metrics
