#include "app/state_dir.hpp"

#include "base/file.hpp"
#include "base/json.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace toygres::app {

namespace fs = std::filesystem;

StateDir::StateDir(std::string path) {
    std::error_code ec;
    fs::create_directories(path, ec);
    if (ec) raise(ErrorKind::invalid, "state_dir_unusable", fmt::format("{}: {}", path, ec.message()));
    path_ = fs::canonical(path).string();
    fs::create_directories(cluster());
    fs::permissions(cluster(), fs::perms::owner_all);
}

std::optional<localkube::ProcessId> StateDir::running(const std::string& part) const {
    const auto text = read_file(path_ + "/" + part + ".pid");
    if (!text) return std::nullopt;
    const auto json = parse_json(*text);
    if (!json) return std::nullopt;
    const auto known = decode<localkube::ProcessId>(*json);
    const auto now = localkube::identify_process(known.pid);
    return now == known ? now : std::nullopt;
}

void StateDir::remember(const std::string& part, pid_t pid) const {
    if (const auto id = localkube::identify_process(pid))
        value_or_raise(write_file_atomically(path_ + "/" + part + ".pid", encode(*id).dump(), 0600));
}

void StateDir::forget(const std::string& part) const {
    std::error_code ignored;
    fs::remove(path_ + "/" + part + ".pid", ignored);
}

}  // namespace toygres::app
