#include "agent/control_file.hpp"

#include "base/process.hpp"

#include <charconv>
#include <csignal>

namespace toygres::agent {
namespace {

constexpr std::chrono::seconds controldata_timeout{5};

// The value of a line "Name:   value".
std::string value_of(const std::string& text, std::string_view name) {
    auto at = text.find(name);
    if (at == std::string::npos) return {};
    at = text.find_first_not_of(" ", at + name.size());
    return at == std::string::npos ? std::string() : text.substr(at, text.find('\n', at) - at);
}

std::int64_t number_of(const std::string& text, std::string_view name) {
    const auto value = value_of(text, name);
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

}  // namespace

std::optional<ControlFile> parse_control_data(const std::string& text) {
    ControlFile out{};
    out.system_identifier = value_of(text, "Database system identifier:");
    const auto state = value_of(text, "Database cluster state:");
    out.read_write = state == "in production";
    out.clean = state == "shut down" || state == "shut down in recovery";
    // A promotion notes its new timeline here before the first checkpoint of it.
    out.timeline = std::max(number_of(text, "Latest checkpoint's TimeLineID:"),
                            number_of(text, "Min recovery ending loc's timeline:"));
    out.checkpoint_lsn = value_of(text, "Latest checkpoint location:");
    out.consistent_lsn = value_of(text, "Minimum recovery ending location:");
    if (out.system_identifier.empty() || state.empty() || out.timeline < 1) return std::nullopt;
    return out;
}

asio::awaitable<std::optional<ControlFile>> read_control_file(Binaries binaries, std::string data_dir) {
    const Command command{{binaries.path("pg_controldata"), "-D", data_dir}, {{"LC_ALL", "C"}}, {}, SIGKILL};
    const auto done = co_await run_command(command, {}, controldata_timeout);
    if (!done || !done->status.ok()) co_return std::nullopt;
    // It prints what it finds and warns that it may be nonsense.
    for (const auto* said : {&done->output, &done->errors})
        if (said->contains("alculated CRC checksum does not match")) co_return std::nullopt;
    co_return parse_control_data(done->output);
}

}  // namespace toygres::agent
