#include "localkube/container_exec.hpp"

#include "base/event.hpp"
#include "localkube/sandbox.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

constexpr std::size_t output_bytes_max = 10 << 10;
// What is read ahead of whoever takes it; the command waits then.
constexpr std::size_t backlog_bytes_max = 1 << 20;
// What a pipe holds: the most that the command itself can have left in it when it ends.
constexpr std::size_t pipe_bytes = 64 << 10;
// After the command's end, for output that is still on its way.
constexpr std::chrono::milliseconds last_words{200};

// Everything the child needs, made before the fork: between fork and exec little may be called.
struct ChildPlan {
    int process_fd;
    int in, out, err;  // what become descriptors 0, 1, 2
    bool tty;
    bool as_root;
    std::vector<std::string> command;
    std::vector<std::string> environment;
    std::vector<char*> argv;
    std::vector<char*> envp;
    std::string directory;
};

void fill_pointers(std::vector<std::string>& texts, std::vector<char*>& pointers) {
    for (auto& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
}

[[noreturn]] void fail(const char* step) {
    ::dprintf(STDERR_FILENO, "exec: %s: %s\n", step, std::strerror(errno));
    ::_exit(126);
}

[[noreturn]] void run_inside(const ChildPlan& plan) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (plan.tty) {
        ::setsid();
        ::ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    }
    if (::chdir(plan.directory.c_str()) != 0 && ::chdir("/") != 0) fail("working directory");
    ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
    fail(plan.argv[0]);
}

[[noreturn]] void run_child(const ChildPlan& plan) {
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(plan.in, STDIN_FILENO);
    ::dup2(plan.out, STDOUT_FILENO);
    ::dup2(plan.err, STDERR_FILENO);
    const int process_fd = ::dup2(plan.process_fd, 3);
    ::close_range(4, ~0U, 0);
    const int spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (plan.as_root ? 0 : CLONE_NEWUSER);
    if (::setns(process_fd, spaces) != 0) fail("joining the container");
    ::close(process_fd);
    // Only children of this process are inside the container's process space.
    const pid_t inner = ::fork();
    if (inner < 0) fail("fork");
    if (inner == 0) run_inside(plan);
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    int status = 0;
    while (::waitpid(inner, &status, 0) < 0 && errno == EINTR) {
    }
    ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

class LocalExec : public ExecSession {
  public:
    LocalExec(asio::io_context& io, pid_t child, Descriptor child_fd)
        : out_(io),
          err_(io),
          in_(io),
          child_fd_(io, child_fd.release()),
          child_(child),
          wake_(io.get_executor()),
          space_(io.get_executor()) {}
    ~LocalExec() override {
        kill();
        // Killed at once; its end is a matter of moments and must be collected.
        if (!reaped_) ::waitpid(child_, nullptr, 0);
    }
    LocalExec(const LocalExec&) = delete;
    LocalExec& operator=(const LocalExec&) = delete;

    asio::awaitable<std::optional<std::pair<int, std::string>>> read() override {
        for (;;) {
            if (!pieces_.empty()) {
                auto piece = std::move(pieces_.front());
                pieces_.pop_front();
                backlog_bytes_ -= piece.second.size();
                space_.notify();
                co_return piece;
            }
            if (!std::exchange(reading_, true)) {
                const auto executor = out_.get_executor();
                asio::co_spawn(executor, pump(this, alive_, &out_, 1), asio::detached);
                if (err_.is_open()) asio::co_spawn(executor, pump(this, alive_, &err_, 2), asio::detached);
                asio::co_spawn(executor, collect(this, alive_), asio::detached);
            }
            if (open_ == 0 && reaped_) co_return std::nullopt;
            co_await wake_.wait();
        }
    }

    asio::awaitable<void> write_stdin(std::string data) override {
        if (in_.is_open()) co_await asio::async_write(in_, asio::buffer(data), use);
    }

    void close_stdin() override {
        boost::system::error_code ignored;
        if (tty_ && in_.is_open()) {
            // A terminal has no end of file but the character for it.
            const char end = 4;
            [[maybe_unused]] const auto n = ::write(in_.native_handle(), &end, 1);
        }
        in_.close(ignored);
    }

    void resize(int columns, int rows) override {
        if (!tty_ || !out_.is_open()) return;
        const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
        ::ioctl(out_.native_handle(), TIOCSWINSZ, &size);
    }

    int exit_code() const override { return exit_code_; }

    void kill() override {
        if (!reaped_) ::kill(child_, SIGKILL);
    }

    asio::posix::stream_descriptor out_, err_, in_;
    bool tty_ = false;
    int open_ = 0;

  private:
    // The object may go while a read is pending, which cancels it: then nothing may be touched any more.
    static asio::awaitable<void> pump(LocalExec* self, std::shared_ptr<bool> alive,
                                      asio::posix::stream_descriptor* from, int stream) {
        std::string buffer(32768, '\0');
        std::size_t late_bytes = 0;
        while (*alive && late_bytes < pipe_bytes) {
            if (self->backlog_bytes_ >= backlog_bytes_max) {
                co_await self->space_.wait();
                continue;
            }
            const auto [error, n] = co_await from->async_read_some(asio::buffer(buffer), use);
            if (!*alive) co_return;
            if (error) break;
            self->pieces_.emplace_back(stream, buffer.substr(0, n));
            self->backlog_bytes_ += n;
            if (self->reaped_) late_bytes += n;
            self->wake_.notify();
        }
        if (!*alive) co_return;
        --self->open_;
        self->wake_.notify();
    }

    // Takes the exit code. What the command left running in the background may hold the streams for ever: nobody waits
    // for that.
    static asio::awaitable<void> collect(LocalExec* self, std::shared_ptr<bool> alive) {
        if (!*alive) co_return;
        co_await self->child_fd_.async_wait(asio::posix::stream_descriptor::wait_read, use);
        if (!*alive) co_return;
        int status = 0;
        if (::waitpid(self->child_, &status, 0) == self->child_)
            self->exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        self->reaped_ = true;
        self->wake_.notify();
        // As long as a slow reader leaves something here there may be more of the command's own behind it.
        asio::steady_timer timer(self->out_.get_executor());
        do {
            timer.expires_after(last_words);
            co_await timer.async_wait(use);
            if (!*alive) co_return;
        } while (!self->pieces_.empty());
        boost::system::error_code ignored;
        self->out_.close(ignored);
        self->err_.close(ignored);
    }

    struct Flag {
        std::shared_ptr<bool> value = std::make_shared<bool>(true);
        ~Flag() { *value = false; }
    };
    asio::posix::stream_descriptor child_fd_;
    pid_t child_;
    Event wake_;
    Event space_;
    std::deque<std::pair<int, std::string>> pieces_;
    std::size_t backlog_bytes_ = 0;
    bool reading_ = false;
    bool reaped_ = false;
    int exit_code_ = -1;
    Flag flag_;
    std::shared_ptr<bool> alive_ = flag_.value;
};

}  // namespace

Result<std::unique_ptr<ExecSession>> exec_in_container(asio::io_context& io, ExecTarget target,
                                                       std::vector<std::string> command, bool tty, bool with_stdin) {
    const auto failed = [](const char* what) {
        return std::unexpected(
            Error{ErrorKind::internal, "no_process", fmt::format("{}: {}", what, std::strerror(errno))});
    };
    if (command.empty())
        return std::unexpected(Error{ErrorKind::invalid, "container_not_running", "a command is required"});
    const auto process = open_process(target.init);
    if (!process)
        return std::unexpected(Error{ErrorKind::invalid, "container_not_running", "the container is not running"});

    Sandbox who{.hostname = {}, .as_root = target.as_root};
    who.uid = target.user.uid;
    who.gid = target.user.gid;
    who.groups = target.user.groups;
    who.drop_capabilities = target.user.drop_capabilities;
    ChildPlan plan{process.get(),           -1, -1, -1, tty, target.as_root, sandbox_command(who, command), {}, {}, {},
                   target.working_directory};
    if (tty) target.environment.try_emplace("TERM", "xterm");
    for (const auto& [name, value] : target.environment) plan.environment.push_back(name + "=" + value);
    fill_pointers(plan.command, plan.argv);
    fill_pointers(plan.environment, plan.envp);
    if (plan.directory.empty()) plan.directory = "/";

    Pipe in, out, err;
    Descriptor terminal, null;
    if (tty) {
        int master = -1, slave = -1;
        if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return failed("no terminal");
        out.read.reset(master);
        terminal.reset(slave);
        ::fcntl(master, F_SETFD, FD_CLOEXEC);
        plan.in = plan.out = plan.err = slave;
        if (with_stdin) in.write.reset(::fcntl(master, F_DUPFD_CLOEXEC, 3));
    } else {
        out = make_pipe();
        err = make_pipe();
        null.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (with_stdin) in = make_pipe();
        plan.in = with_stdin ? in.read.get() : null.get();
        plan.out = out.write.get();
        plan.err = err.write.get();
    }
    const pid_t child = ::fork();
    if (child < 0) return failed("fork");
    if (child == 0) run_child(plan);
    Descriptor child_fd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (!child_fd) return failed("pidfd");
    auto session = std::make_unique<LocalExec>(io, child, std::move(child_fd));
    session->tty_ = tty;
    session->out_.assign(out.read.release());
    session->open_ = 1;
    if (err.read) {
        session->err_.assign(err.read.release());
        ++session->open_;
    }
    if (in.write) session->in_.assign(in.write.release());
    return session;
}

asio::awaitable<Result<ExecOutcome>> exec_and_wait(asio::io_context& io, ExecTarget target,
                                                   std::vector<std::string> command,
                                                   std::chrono::milliseconds time_limit) {
    auto session = exec_in_container(io, std::move(target), std::move(command), false, false);
    if (!session) co_return std::unexpected(session.error());
    ExecOutcome outcome{true, 0, {}};
    // Its end, forced or not, also ends the reading.
    asio::steady_timer limit(io, time_limit);
    auto state = std::make_shared<std::pair<ExecSession*, bool>>(session->get(), false);
    limit.async_wait([state](boost::system::error_code error) {
        if (error || !state->first) return;
        state->second = true;
        state->first->kill();
    });
    while (auto piece = co_await (*session)->read())
        if (outcome.output.size() < output_bytes_max) outcome.output += piece->second;
    state->first = nullptr;
    outcome.finished = !state->second;
    outcome.exit_code = (*session)->exit_code();
    co_return outcome;
}

}  // namespace toygres::localkube
