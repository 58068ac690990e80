#include "localkube/container_shim.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "localkube/quick_file.hpp"
#include "localkube/shim_log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

class Shim {
  public:
    Shim(std::string directory, int ready_fd)
        : directory_(std::move(directory)), ready_(ready_fd), spec_(load(directory_)), log_(spec_.log_path) {}

    int run() {
        sigset_t mask;
        sigemptyset(&mask);
        for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&mask, signal);
        ::sigprocmask(SIG_BLOCK, &mask, nullptr);
        signals_.reset(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
        start();
        while (!status_) {
            // Asked once a round: whether the set-up is over may change between two looks.
            const bool setting_up = is_setting_up();
            if (!setting_up && init_ && ready_) record_start();
            // Until the start is on record, look again even when nothing happens.
            wait_for_something(setting_up ? 1 : ready_ ? 50 : -1);
        }
        // Nothing of the sandbox is left to hold the pipes, unless its processes could not be ended at once.
        for (int rounds = 0; (stdout_ || stderr_ || report_) && rounds < 200; ++rounds) wait_for_something(10);
        log_.finish();
        record_exit();
        return 0;
    }

  private:
    static ShimSpec load(const std::string& directory) {
        return decode<ShimSpec>(value_or_raise(parse_json(value_or_raise(read_file(directory + "/spec.json")))));
    }

    static int options_file(const std::vector<std::string>& options) {
        const int fd = ::memfd_create("sandbox", 0);
        std::string text;
        for (const auto& option : options) text.append(option).push_back('\0');
        for (std::string_view rest = text; !rest.empty();) {
            const auto n = ::write(fd, rest.data(), rest.size());
            if (n <= 0) raise(ErrorKind::internal, "no_memory_file", std::strerror(errno));
            rest.remove_prefix(static_cast<std::size_t>(n));
        }
        ::lseek(fd, 0, SEEK_SET);
        return fd;
    }

    void start() {
        auto out = make_pipe();
        auto err = make_pipe();
        auto report = make_pipe();
        const auto program = find_program("bwrap");
        std::vector<std::string> environment;
        for (const auto& [name, value] : spec_.environment) environment.push_back(name + "=" + value);
        // Options go through a file and the environment is inherited: neither shows in a list of processes.
        Descriptor options(options_file(spec_.sandbox));
        const auto options_fd = std::to_string(options.get());
        const auto report_fd = std::to_string(report.write.get());
        std::vector<std::string> arguments{program, "--args", options_fd, "--json-status-fd", report_fd, "--"};
        arguments.insert(arguments.end(), spec_.command.begin(), spec_.command.end());
        const auto pointers = [](std::vector<std::string>& texts) {
            std::vector<char*> out_pointers;
            for (auto& text : texts) out_pointers.push_back(text.data());
            out_pointers.push_back(nullptr);
            return out_pointers;
        };
        const auto argv = pointers(arguments);
        const auto envp = pointers(environment);
        child_ = ::fork();
        if (child_ < 0) raise(ErrorKind::internal, "no_process", std::strerror(errno));
        if (child_ == 0) {
            sigset_t none;
            sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            ::dup2(out.write.get(), STDOUT_FILENO);
            ::dup2(err.write.get(), STDERR_FILENO);
            ::fcntl(report.write.get(), F_SETFD, 0);
            ::execve(program.c_str(), argv.data(), envp.data());
            ::dprintf(STDERR_FILENO, "%s: %s\n", program.c_str(), std::strerror(errno));
            ::_exit(127);
        }
        stdout_ = std::move(out.read);
        stderr_ = std::move(err.read);
        report_ = std::move(report.read);
    }

    void wait_for_something(int timeout_ms) {
        pollfd polled[] = {{signals_.get(), POLLIN, 0},
                           {stdout_.get(), POLLIN, 0},
                           {stderr_.get(), POLLIN, 0},
                           {report_.get(), POLLIN, 0}};
        if (::poll(polled, std::size(polled), timeout_ms) <= 0) return;
        if (polled[1].revents) pump(stdout_, [&](std::string_view piece) { log_.append(false, piece); });
        if (polled[2].revents) pump(stderr_, [&](std::string_view piece) { log_.append(true, piece); });
        if (polled[3].revents) pump(report_, [&](std::string_view piece) { on_report(piece); });
        if (polled[0].revents) take_signals();
    }

    template <class F> static void pump(Descriptor& from, F&& take) {
        char buffer[65536];
        const auto n = ::read(from.get(), buffer, sizeof buffer);
        if (n > 0)
            take(std::string_view(buffer, static_cast<std::size_t>(n)));
        else if (n == 0 || errno != EINTR)
            from.reset();
    }

    // bwrap's reports are JSON documents, one a line: {"child-pid": …} and {"exit-code": …}.
    void on_report(std::string_view piece) {
        reported_ += piece;
        for (auto end = reported_.find('\n'); end != std::string::npos; end = reported_.find('\n')) {
            const auto line = parse_json(reported_.substr(0, end));
            reported_.erase(0, end + 1);
            if (!line || !line->is_object()) continue;
            if (line->contains("exit-code")) set_up_ = true;
            if (const auto pid = line->value("child-pid", 0); pid > 0) {
                init_ = identify_process(pid);
                set_up_by_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
            }
        }
    }

    // The sandbox's first process exists before its mounts do; nobody may look inside until it is the command itself.
    bool is_setting_up() const {
        if (!init_ || !ready_) return false;
        const auto name = read_file(fmt::format("/proc/{}/comm", init_->pid)).value_or("");
        return (name == "bwrap\n" || name == "setpriv\n") && std::chrono::steady_clock::now() < set_up_by_;
    }

    void record_start() {
        const auto self = identify_process(::getpid());
        if (!self) return;
        store("state.json", encode(ShimState{*self, *init_, format_rfc3339(now())}));
        ready_.reset();
    }

    void take_signals() {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGCHLD) {
                int status = 0;
                if (::waitpid(child_, &status, WNOHANG) == child_) status_ = status;
            } else if (info.ssi_signo != SIGPIPE && init_) {
                signal_process(*init_, static_cast<int>(info.ssi_signo));
            }
        }
    }

    void record_exit() {
        if (init_ && ready_) record_start();
        const int code = WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
        // Killed by hand, bwrap reports nothing any more: then the sandbox did run if its process was known.
        const bool started = set_up_ || (WIFSIGNALED(*status_) && init_);
        store("exit.json",
              encode(ShimExit{code, started, started ? std::string() : log_.last_error_line(), format_rfc3339(now())}));
        ready_.reset();
    }

    void store(const std::string& name, const Json& value) {
        value_or_raise(replace_file(directory_ + "/" + name, value.dump(), 0600));
    }

    std::string directory_;
    Descriptor ready_;
    ShimSpec spec_;
    ShimLog log_;
    Descriptor signals_, stdout_, stderr_, report_;
    pid_t child_ = -1;
    std::optional<ProcessId> init_;
    std::chrono::steady_clock::time_point set_up_by_;
    std::optional<int> status_;
    std::string reported_;
    bool set_up_ = false;
};

}  // namespace

int container_shim_main(int argc, char** argv) {
    if (argc != 5) {
        ::dprintf(STDERR_FILENO, "usage: %s container-shim DIRECTORY LOCK_FD READY_FD\n", argv[0]);
        return 2;
    }
    for (const int index : {3, 4}) ::fcntl(std::atoi(argv[index]), F_SETFD, FD_CLOEXEC);
    ::prctl(PR_SET_NAME, "container-shim");
    try {
        return Shim(argv[2], std::atoi(argv[4])).run();
    } catch (const std::exception& e) {
        ::dprintf(STDERR_FILENO, "container-shim: %s\n", e.what());
        return 1;
    }
}

}  // namespace toygres::localkube
