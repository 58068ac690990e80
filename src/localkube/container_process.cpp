#include "localkube/container_process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "localkube/quick_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

template <class T> std::optional<T> load(const std::string& path) {
    const auto text = read_file(path);
    if (!text) return std::nullopt;
    const auto json = parse_json(*text);
    if (!json) return std::nullopt;
    return decode<T>(*json);
}

// False when there is no process to be had. Runs argv as a child of nobody, with these two descriptors as they are and
// the log as its stderr.
bool spawn_detached(const std::vector<std::string>& arguments, int lock_fd, int ready_fd, const std::string& log) {
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const Descriptor err(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const int fd_max = std::max(lock_fd, ready_fd);
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child == 0) {
        ::setsid();
        if (::fork() != 0) ::_exit(0);
        ::dup2(null.get(), STDIN_FILENO);
        ::dup2(null.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
        // Sockets made by libraries do not always close on exec; none of them may live on in a container.
        for (int fd = 3; fd <= fd_max; ++fd)
            if (fd != lock_fd && fd != ready_fd) ::close(fd);
        ::close_range(static_cast<unsigned>(fd_max) + 1, ~0U, 0);
        ::fcntl(lock_fd, F_SETFD, 0);
        ::fcntl(ready_fd, F_SETFD, 0);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        [[maybe_unused]] const int moved = ::chdir("/");
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return true;
}

}  // namespace

ContainerProcess::ContainerProcess(asio::io_context& io, std::string directory, std::function<void()> on_change)
    : io_(io), directory_(std::move(directory)), on_change_(std::move(on_change)), ready_(io), shim_(io), retry_(io) {}

Result<std::shared_ptr<ContainerProcess>> ContainerProcess::start(asio::io_context& io,
                                                                  const std::vector<std::string>& shim_command,
                                                                  std::string directory, const ShimSpec& spec,
                                                                  std::function<void()> on_change) {
    auto self = std::make_shared<ContainerProcess>(io, std::move(directory), std::move(on_change));
    std::error_code error;
    std::filesystem::create_directories(self->directory_, error);
    if (auto written = replace_file(self->directory_ + "/spec.json", encode(spec).dump(), 0600); !written)
        return std::unexpected(written.error());
    // The shim inherits the lock: from before it exists until its end, whoever asks finds the file locked.
    const auto lock = try_lock_file(self->directory_ + "/lock");
    int ends[2];
    if (!lock || ::pipe2(ends, O_CLOEXEC) != 0)
        return std::unexpected(
            Error{ErrorKind::internal, "no_process", fmt::format("{}: {}", self->directory_, std::strerror(errno))});
    Pipe ready{Descriptor(ends[0]), Descriptor(ends[1])};
    auto arguments = shim_command;
    arguments.insert(arguments.end(),
                     {self->directory_, std::to_string(lock.get()), std::to_string(ready.write.get())});
    if (!spawn_detached(arguments, lock.get(), ready.write.get(), self->directory_ + "/shim.log"))
        return std::unexpected(Error{ErrorKind::internal, "no_process", std::strerror(errno)});
    self->ready_.assign(ready.read.release());
    self->ready_.async_wait(asio::posix::stream_descriptor::wait_read, [self](boost::system::error_code error) {
        if (!error) self->on_ready();
    });
    return self;
}

std::shared_ptr<ContainerProcess> ContainerProcess::adopt(asio::io_context& io, std::string directory,
                                                          std::function<void()> on_change) {
    auto self = std::make_shared<ContainerProcess>(io, std::move(directory), std::move(on_change));
    self->state_ = load<ShimState>(self->directory_ + "/state.json");
    self->exit_ = load<ShimExit>(self->directory_ + "/exit.json");
    if (!self->exit_) self->watch();
    return self;
}

void ContainerProcess::on_ready() {
    ready_.close();
    state_ = load<ShimState>(directory_ + "/state.json");
    watch();
    if (!exit_) notify();
}

void ContainerProcess::watch() {
    if (!state_) {
        state_ = load<ShimState>(directory_ + "/state.json");
        if (state_) notify();  // it may have come later than the first look
    }
    if (!state_ && std::filesystem::exists(directory_ + "/exit.json")) {
        asio::post(io_, [self = shared_from_this()] { self->on_gone(); });
        return;
    }
    if (state_) {
        if (pending_signal_ != 0) signal_process(state_->init, std::exchange(pending_signal_, 0));
        if (auto fd = open_process(state_->shim)) {
            shim_.assign(fd.release());
            shim_.async_wait(asio::posix::stream_descriptor::wait_read,
                             [self = shared_from_this()](boost::system::error_code error) {
                                 if (!error) self->on_gone();
                             });
            return;
        }
    } else if (!try_lock_file(directory_ + "/lock")) {
        // A shim that a cluster before us had just started: it will say its name or end.
        retry_.expires_after(std::chrono::milliseconds(20));
        retry_.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error) self->watch();
        });
        return;
    }
    asio::post(io_, [self = shared_from_this()] { self->on_gone(); });
}

void ContainerProcess::on_gone() {
    if (exit_) return;
    shim_.close();
    exit_ = load<ShimExit>(directory_ + "/exit.json");
    if (!exit_) {
        const auto said = read_file(directory_ + "/shim.log").value_or("");
        exit_ = ShimExit{137, state_.has_value(), said.empty() ? "The container's supervisor vanished" : said,
                         format_rfc3339(now())};
        // On a full disk it is found out anew next time.
        (void)replace_file(directory_ + "/exit.json", encode(*exit_).dump(), 0600);
    }
    notify();
}

void ContainerProcess::signal(int signal) {
    if (exit_) return;
    if (state_)
        signal_process(state_->init, signal);
    else
        pending_signal_ = signal;
}

void ContainerProcess::forget() {
    on_change_ = nullptr;
    boost::system::error_code ignored;
    ready_.close(ignored);
    shim_.close(ignored);
    retry_.cancel();
}

void ContainerProcess::notify() {
    if (on_change_)
        asio::post(io_, [self = shared_from_this()] {
            if (self->on_change_) self->on_change_();
        });
}

}  // namespace toygres::localkube
