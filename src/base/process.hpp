// Child processes on Asio: spawn, wait without blocking, collect output. Exit is seen through a pidfd, so no signal
// handler is involved and nobody else's children are touched.
#pragma once
#include "base/asio.hpp"
#include "base/error.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres {

struct Command {
    std::vector<std::string> argv;                 // argv[0] is a path, or a name that PATH is searched for
    std::map<std::string, std::string> env{};      // added to the environment of this process
    std::vector<int> inherited_fds{};              // left open in the child; all others are closed
    std::optional<int> signal_when_parent_dies{};  // what the kernel sends the child when this process ends
    std::optional<std::string> working_directory{};
};

struct ExitStatus {
    int code;                   // exit code; 0 when a signal ended it
    std::optional<int> signal;  // the signal that ended it
    bool ok() const { return code == 0 && !signal; }
};
// "exit code 1", "signal 9 (Killed)".
std::string to_string(const ExitStatus& status);

// Descriptors that a child gets as its own; the caller keeps and closes its ends.
struct Streams {
    std::optional<int> in{};   // default: /dev/null
    std::optional<int> out{};  // default: this process's own
    std::optional<int> err{};
};

// A running child. Destroying it kills a child that still runs (SIGKILL) and reaps it.
class Child {
  public:
    // Throws ErrorException: internal/"spawn_failed" with the reason: no such program, not executable, no memory.
    Child(asio::any_io_executor executor, const Command& command, Streams streams = {});
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    // The child's end; one waiter at a time. Returns at once when it has ended already.
    asio::awaitable<ExitStatus> wait();
    // The exit status if it has ended, without waiting.
    std::optional<ExitStatus> poll();
    // Nothing happens when it has ended.
    void signal(int number);

  private:
    pid_t pid_ = -1;
    std::optional<ExitStatus> status_;
    asio::posix::stream_descriptor pidfd_;
};

struct Finished {
    ExitStatus status;
    std::string output;  // stdout
    std::string errors;  // stderr
};

// Runs a command to its end with `input` as its stdin; kills it at the time-out. Each stream keeps at most 1 MiB.
// Errors: internal/"spawn_failed", timeout/"command_timed_out" with the program's name. Any exit status is a value.
asio::awaitable<Result<Finished>> run_command(Command command, std::string input, std::chrono::milliseconds timeout);

// Children of ours by way of Child; a PID 1 must not reap these.
bool is_own_child(pid_t pid);

}  // namespace toygres
