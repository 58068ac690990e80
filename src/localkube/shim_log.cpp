#include "localkube/shim_log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

constexpr std::size_t line_bytes_max = 16 << 10;
constexpr std::size_t file_bytes_max = 10 << 20;

std::string timestamp() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    tm parts{};
    ::gmtime_r(&t.tv_sec, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, t.tv_nsec);
}

}  // namespace

ShimLog::ShimLog(std::string path) : path_(std::move(path)) { open(); }

void ShimLog::open() {
    file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    struct stat info{};
    size_ = file_ && ::fstat(file_.get(), &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
}

void ShimLog::append(bool is_stderr, std::string_view piece) {
    auto& unfinished = unfinished_[is_stderr ? 1 : 0];
    unfinished += piece;
    std::size_t start = 0;
    for (;;) {
        const auto end = unfinished.find('\n', start);
        if (end == std::string::npos) break;
        auto line = std::string_view(unfinished).substr(start, end - start);
        for (; line.size() > line_bytes_max; line.remove_prefix(line_bytes_max))
            write_line(is_stderr, false, line.substr(0, line_bytes_max));
        write_line(is_stderr, true, line);
        start = end + 1;
    }
    unfinished.erase(0, start);
    while (unfinished.size() > line_bytes_max) {
        write_line(is_stderr, false, std::string_view(unfinished).substr(0, line_bytes_max));
        unfinished.erase(0, line_bytes_max);
    }
}

void ShimLog::finish() {
    for (const bool is_stderr : {false, true})
        if (auto& rest = unfinished_[is_stderr ? 1 : 0]; !rest.empty()) {
            write_line(is_stderr, true, rest);
            rest.clear();
        }
}

void ShimLog::write_line(bool is_stderr, bool full, std::string_view text) {
    if (is_stderr) last_error_line_ = text;
    const auto line =
        fmt::format("{} {} {} {}\n", timestamp(), is_stderr ? "stderr" : "stdout", full ? "F" : "P", text);
    if (size_ > 0 && size_ + line.size() > file_bytes_max) {
        ::rename(path_.c_str(), (path_ + ".1").c_str());
        open();
    }
    // A full disk must not stop the container: what cannot be written is lost.
    if (const auto written = ::write(file_.get(), line.data(), line.size()); written > 0)
        size_ += static_cast<std::size_t>(written);
}

}  // namespace toygres::localkube
