// Processes that are not our children: named by pid and start time, so that a recycled pid is never taken for one.
#pragma once
#include <boost/describe.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace toygres::localkube {

struct ProcessId {
    int pid;
    std::int64_t start_ticks;  // since boot; field 22 of /proc/<pid>/stat
    bool operator==(const ProcessId&) const = default;
};
BOOST_DESCRIBE_STRUCT(ProcessId, (), (pid, start_ticks))

// nullopt when there is no such process or it is a zombie.
std::optional<ProcessId> identify_process(pid_t pid);

// A descriptor of a file that closes itself.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { reset(); }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();
    void reset(int fd = -1);

  private:
    int fd_;
};

// A pidfd of exactly that process; empty when it is gone.
Descriptor open_process(const ProcessId& process);
// False when the process is gone.
bool signal_process(const ProcessId& process, int signal);

// Takes the lock of a file, which its holder's death releases; empty while somebody else holds it. The file is made.
Descriptor try_lock_file(const std::string& path);

// Both ends close on exec. Throws ErrorException: internal/"no_pipe".
struct Pipe {
    Descriptor read;
    Descriptor write;
};
Pipe make_pipe();

// The program's path in $PATH, or the name itself.
std::string find_program(const std::string& name);

}  // namespace toygres::localkube
