#include "localkube/pod_reaper.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "localkube/container_shim.hpp"

#include <csignal>
#include <filesystem>
#include <thread>
#include <vector>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// The directories of runs whose shim lives.
std::vector<std::string> live_runs(const std::string& pod_directory) {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& container : fs::directory_iterator(pod_directory + "/containers", error))
        for (const auto& run : fs::directory_iterator(container.path(), error)) {
            const auto lock = run.path().string() + "/lock";
            if (fs::exists(lock, error) && !try_lock_file(lock)) out.push_back(run.path().string());
        }
    return out;
}

std::optional<ShimState> state_of(const std::string& run) {
    const auto text = read_file(run + "/state.json");
    if (!text) return std::nullopt;
    const auto json = parse_json(*text);
    if (!json) return std::nullopt;
    return decode<ShimState>(*json);
}

std::chrono::seconds grace_of(const std::string& pod_directory) {
    const auto text = read_file(pod_directory + "/pod.json");
    const auto json = text ? parse_json(*text) : std::unexpected(text.error());
    return std::chrono::seconds(json && json->is_object() ? json->value("grace_seconds", 30) : 30);
}

}  // namespace

bool pod_runs(const std::string& pod_directory) { return !live_runs(pod_directory).empty(); }

void signal_pod(const std::string& pod_directory, int signal) {
    for (const auto& run : live_runs(pod_directory))
        if (const auto state = state_of(run)) signal_process(state->init, signal);
}

bool stop_all_pods(const std::string& state_dir, std::chrono::seconds grace_max) {
    std::vector<std::string> pods;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(state_dir + "/pods", error)) pods.push_back(entry.path().string());
    std::chrono::seconds grace{0};
    for (const auto& pod : pods) {
        if (!pod_runs(pod)) continue;
        signal_pod(pod, SIGTERM);
        grace = std::max(grace, std::min(grace_of(pod), grace_max));
    }
    const auto gone = [&] { return std::ranges::none_of(pods, pod_runs); };
    const auto until = [&](std::chrono::steady_clock::time_point deadline) {
        while (!gone() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(20ms);
        return gone();
    };
    if (until(std::chrono::steady_clock::now() + grace)) return true;
    for (const auto& pod : pods) signal_pod(pod, SIGKILL);
    return until(std::chrono::steady_clock::now() + 10s);
}

}  // namespace toygres::localkube
