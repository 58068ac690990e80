#include "agent/tool.hpp"

#include "agent/descriptor.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>

namespace toygres::agent {
namespace {

constexpr std::size_t kept_lines = 4;
constexpr std::size_t line_max_bytes = 2'000;

// Lines out of pieces of text; remembers the last few.
class Lines {
  public:
    explicit Lines(OnLine on_line) : on_line_(std::move(on_line)) {}

    void take(std::string_view text) {
        for (const char c : text) {
            if (c == '\n' || c == '\r')
                end_line();
            else if (line_.size() < line_max_bytes)
                line_ += c;
        }
    }
    void end_line() {
        if (line_.empty()) return;
        on_line_(line_);
        last_.push_back(std::exchange(line_, {}));
        if (last_.size() > kept_lines) last_.pop_front();
    }
    std::string last() const { return fmt::format("{}", fmt::join(last_, "; ")); }

  private:
    OnLine on_line_;
    std::string line_;
    std::deque<std::string> last_;
};

struct Running {
    std::unique_ptr<Child> child;
    asio::posix::stream_descriptor output;
};

Result<Running> spawn(const asio::any_io_executor& executor, const Command& command) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return std::unexpected(Error{ErrorKind::internal, "spawn_failed", std::strerror(errno)});
    Descriptor read_end(ends[0]);
    const Descriptor write_end(ends[1]);
    try {
        auto child = std::make_unique<Child>(executor, command, Streams{{}, write_end.get(), write_end.get()});
        return Running{std::move(child), asio::posix::stream_descriptor(executor, read_end.release())};
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

}  // namespace

asio::awaitable<Result<void>> run_tool(Command command, OnLine on_line) {
    command.signal_when_parent_dies = SIGKILL;
    const auto program = std::filesystem::path(command.argv.front()).filename().string();
    auto running = spawn(co_await asio::this_coro::executor, command);
    if (!running) co_return std::unexpected(running.error());
    Lines lines(std::move(on_line));
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto [e, n] = co_await running->output.async_read_some(asio::buffer(buffer), use);
        lines.take({buffer.data(), n});
        if (e) break;
    }
    lines.end_line();
    const auto status = co_await running->child->wait();
    if (status.ok()) co_return Result<void>();
    co_return std::unexpected(
        Error{ErrorKind::internal, "tool_failed", fmt::format("{}: {}: {}", program, to_string(status), lines.last())});
}

}  // namespace toygres::agent
