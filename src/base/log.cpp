#include "base/log.hpp"

#include "base/error.hpp"
#include "base/log_level.hpp"
#include "base/time.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace toygres::log {
namespace {

std::atomic<Level> threshold = Level::info;
std::atomic<int> descriptor = STDERR_FILENO;

constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};

void write_pairs(Level level, std::string_view event, Fields fields) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    nlohmann::json object = nlohmann::json::object();
    for (const auto& [key, value] : fields) object[std::string(key)] = value;
    write(level, event, object);
}

}  // namespace

void debug(std::string_view event, Fields fields) { write_pairs(Level::debug, event, fields); }
void info(std::string_view event, Fields fields) { write_pairs(Level::info, event, fields); }
void warning(std::string_view event, Fields fields) { write_pairs(Level::warning, event, fields); }
void error(std::string_view event, Fields fields) { write_pairs(Level::error, event, fields); }

void write(Level level, std::string_view event, const nlohmann::json& fields) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    nlohmann::ordered_json line;
    line["time"] = format_rfc3339(now());
    line["level"] = names[static_cast<std::size_t>(level)];
    line["event"] = event;
    for (const auto& [key, value] : fields.items()) line[key] = value;
    const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    // One write(2) a line: lines of several processes on one file do not mix.
    [[maybe_unused]] const auto written = ::write(descriptor.load(), text.data(), text.size());
}

bool set_level(std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == name) {
            threshold = static_cast<Level>(i);
            return true;
        }
    return false;
}

void set_level(Level level) { threshold = level; }

std::string_view level_name() { return names[static_cast<std::size_t>(threshold.load())]; }

void to_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) raise(ErrorKind::invalid, "log_unwritable", path + ": " + std::strerror(errno));
    descriptor = fd;
}

}  // namespace toygres::log
