#include "base/process.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <set>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres {
namespace {

using asio::experimental::awaitable_operators::operator&&;
using asio::experimental::awaitable_operators::operator||;

constexpr std::size_t output_limit_bytes = 1 << 20;
constexpr int exec_failed_code = 127;

std::set<pid_t>& own_children() {
    static std::set<pid_t> pids;
    return pids;
}

Error spawn_error(const std::string& program, int number) {
    return {ErrorKind::internal, "spawn_failed", fmt::format("{}: {}", program, std::strerror(number))};
}

struct ExecImage {
    explicit ExecImage(const Command& command) {
        for (const auto& arg : command.argv) argv.push_back(const_cast<char*>(arg.c_str()));
        argv.push_back(nullptr);
        for (char** e = ::environ; *e != nullptr; ++e) {
            const std::string_view entry(*e);
            if (!command.env.contains(std::string(entry.substr(0, entry.find('='))))) envp.push_back(*e);
        }
        for (const auto& [name, value] : command.env) own.push_back(name + "=" + value);
        for (auto& entry : own) envp.push_back(entry.data());
        envp.push_back(nullptr);
    }
    std::vector<char*> argv;
    std::vector<std::string> own;
    std::vector<char*> envp;
};

// Between fork and exec: only what is safe in the copy of a process with threads. Never returns.
[[noreturn]] void become(const Command& command, const ExecImage& image, int stdin_fd, int stdout_fd, int stderr_fd,
                         int report_fd, pid_t parent) {
    const auto give_up = [report_fd] {
        const int number = errno;
        [[maybe_unused]] const auto n = ::write(report_fd, &number, sizeof number);
        ::_exit(exec_failed_code);
    };
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int s : {SIGPIPE, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2}) ::signal(s, SIG_DFL);
    if (command.signal_when_parent_dies) {
        ::prctl(PR_SET_PDEATHSIG, *command.signal_when_parent_dies);
        if (::getppid() != parent) ::_exit(exec_failed_code);  // it died before the line above
    }
    if (::dup2(stdin_fd, 0) < 0 || ::dup2(stdout_fd, 1) < 0 || ::dup2(stderr_fd, 2) < 0) give_up();
    // Not every library opens its descriptors with O_CLOEXEC.
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    for (const int fd : command.inherited_fds) ::fcntl(fd, F_SETFD, 0);
    if (command.working_directory && ::chdir(command.working_directory->c_str()) != 0) give_up();
    ::execvpe(image.argv[0], image.argv.data(), image.envp.data());
    give_up();
    ::_exit(exec_failed_code);
}

pid_t spawn(const Command& command, int stdin_fd, int stdout_fd, int stderr_fd) {
    const ExecImage image(command);
    const auto& program = command.argv.front();
    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC) != 0) throw ErrorException(spawn_error(program, errno));
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) become(command, image, stdin_fd, stdout_fd, stderr_fd, report[1], parent);
    const int fork_errno = errno;
    ::close(report[1]);
    int number = pid < 0 ? fork_errno : 0;
    // The pipe closes at the exec; only a failure writes to it.
    if (pid > 0)
        while (::read(report[0], &number, sizeof number) < 0 && errno == EINTR) {
        }
    ::close(report[0]);
    if (number != 0) {
        if (pid > 0) ::waitpid(pid, nullptr, 0);
        throw ErrorException(spawn_error(program, number));
    }
    return pid;
}

ExitStatus status_of(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {info.si_status, std::nullopt};
    return {0, info.si_status};
}

struct Pipe {
    Pipe() {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw ErrorException(spawn_error("pipe", errno));
    }
    ~Pipe() {
        for (const int fd : ends)
            if (fd >= 0) ::close(fd);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    int release(std::size_t end) { return std::exchange(ends[end], -1); }
    std::array<int, 2> ends{-1, -1};
};

// A command need not read its input: writing to one that ended is an error code, not a signal.
void ignore_broken_pipes() {
    struct sigaction current{};
    if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

asio::awaitable<void> feed(asio::posix::stream_descriptor& pipe, const std::string& input) {
    co_await asio::async_write(pipe, asio::buffer(input), use);
    boost::system::error_code ignored;
    pipe.close(ignored);
}

asio::awaitable<void> drain(asio::posix::stream_descriptor& pipe, std::string& out) {
    std::array<char, 16384> buffer{};
    for (;;) {
        const auto [e, n] = co_await pipe.async_read_some(asio::buffer(buffer), use);
        if (e) co_return;
        out.append(buffer.data(), std::min(n, output_limit_bytes - out.size()));
    }
}

asio::awaitable<void> reap(Child& child, ExitStatus& status) { status = co_await child.wait(); }

}  // namespace

std::string to_string(const ExitStatus& status) {
    if (status.signal) return fmt::format("signal {} ({})", *status.signal, ::strsignal(*status.signal));
    return fmt::format("exit code {}", status.code);
}

bool is_own_child(pid_t pid) { return own_children().contains(pid); }

Child::Child(asio::any_io_executor executor, const Command& command, Streams streams) : pidfd_(executor) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) throw ErrorException(spawn_error("/dev/null", errno));
    try {
        pid_ = spawn(command, streams.in.value_or(null), streams.out.value_or(STDOUT_FILENO),
                     streams.err.value_or(STDERR_FILENO));
    } catch (...) {
        ::close(null);
        throw;
    }
    ::close(null);
    own_children().insert(pid_);
    const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd < 0) {
        const auto error = spawn_error("pidfd_open", errno);
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        own_children().erase(pid_);
        throw ErrorException(error);
    }
    pidfd_.assign(pidfd);
}

Child::~Child() {
    if (poll()) return;
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    own_children().erase(pid_);
}

std::optional<ExitStatus> Child::poll() {
    if (status_) return status_;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) == 0 && info.si_pid == pid_) {
        status_ = status_of(info);
        own_children().erase(pid_);
    }
    return status_;
}

asio::awaitable<ExitStatus> Child::wait() {
    for (;;) {
        if (const auto status = poll()) co_return *status;
        co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read, use);
    }
}

void Child::signal(int number) {
    if (!status_) ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), number, nullptr, 0);
}

asio::awaitable<Result<Finished>> run_command(Command command, std::string input, std::chrono::milliseconds timeout) {
    ignore_broken_pipes();
    const auto executor = co_await asio::this_coro::executor;
    std::unique_ptr<Child> child;
    asio::posix::stream_descriptor in(executor);
    asio::posix::stream_descriptor out(executor);
    asio::posix::stream_descriptor err(executor);
    std::optional<Error> failure;
    try {
        Pipe in_pipe;
        Pipe out_pipe;
        Pipe err_pipe;
        child =
            std::make_unique<Child>(executor, command, Streams{in_pipe.ends[0], out_pipe.ends[1], err_pipe.ends[1]});
        in.assign(in_pipe.release(1));
        out.assign(out_pipe.release(0));
        err.assign(err_pipe.release(0));
    } catch (const ErrorException& e) {
        failure = e.error();
    }
    if (failure) co_return std::unexpected(*failure);

    asio::steady_timer deadline(executor, timeout);
    Finished finished{};
    const auto first = co_await ((feed(in, input) && drain(out, finished.output) && drain(err, finished.errors) &&
                                  reap(*child, finished.status)) ||
                                 deadline.async_wait(use));
    // Going away, `child` ends the command.
    if (first.index() == 1)
        co_return std::unexpected(
            Error{ErrorKind::timeout, "command_timed_out",
                  fmt::format("{} did not end within {} ms", command.argv.front(), timeout.count())});
    co_return finished;
}

}  // namespace toygres
