#include "localkube/process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace toygres::localkube {

std::optional<ProcessId> identify_process(pid_t pid) {
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
    if (!stat) return std::nullopt;
    // The name in parentheses may hold anything; what follows the last one are numbers.
    const auto end = stat->rfind(')');
    if (end == std::string::npos) return std::nullopt;
    std::istringstream fields(stat->substr(end + 1));
    std::string field;
    for (int number = 3; number <= 22 && fields >> field; ++number) {
        if (number == 3 && (field == "Z" || field == "X")) return std::nullopt;
        if (number == 22) return ProcessId{pid, std::atoll(field.c_str())};
    }
    return std::nullopt;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
}

int Descriptor::release() { return std::exchange(fd_, -1); }

void Descriptor::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Descriptor open_process(const ProcessId& process) {
    // The identity is checked after the pidfd is open: from then on the pid cannot be recycled under it.
    Descriptor fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    if (fd && identify_process(process.pid) != process) fd.reset();
    return fd;
}

bool signal_process(const ProcessId& process, int signal) {
    const auto fd = open_process(process);
    return fd && ::syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0;
}

Descriptor try_lock_file(const std::string& path) {
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
    return fd;
}

Pipe make_pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) raise(ErrorKind::internal, "no_pipe", std::strerror(errno));
    return {Descriptor(fds[0]), Descriptor(fds[1])};
}

std::string find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path ? path : "/usr/local/bin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (const auto candidate = folder + "/" + name; ::access(candidate.c_str(), X_OK) == 0) return candidate;
    return name;
}

}  // namespace toygres::localkube
