#include "base/file.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace toygres {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

Error file_error(ErrorKind kind, std::string code, const std::string& path) {
    return {kind, std::move(code), fmt::format("{}: {}", path, std::strerror(errno))};
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const auto n = ::write(fd, content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0)
        return std::unexpected(errno == ENOENT ? file_error(ErrorKind::not_found, "file_not_found", path)
                                               : file_error(ErrorKind::internal, "file_unreadable", path));
    std::string out;
    char buffer[16384];
    for (;;) {
        const auto n = ::read(fd.get(), buffer, sizeof buffer);
        if (n == 0) return out;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::unexpected(file_error(ErrorKind::internal, "file_unreadable", path));
        out.append(buffer, static_cast<std::size_t>(n));
    }
}

Result<void> write_file_atomically(const std::string& path, std::string_view content, mode_t mode) {
    const auto temporary = fmt::format("{}.{}.tmp", path, random_hex(8));
    const auto failed = [&] {
        const auto error = file_error(ErrorKind::internal, "file_unwritable", path);
        ::unlink(temporary.c_str());
        return std::unexpected(error);
    };
    {
        const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
        if (fd.get() < 0 || ::fchmod(fd.get(), mode) != 0 || !write_all(fd.get(), content) || ::fsync(fd.get()) != 0)
            return failed();
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) return failed();
    auto directory = std::filesystem::path(path).parent_path().string();
    if (directory.empty()) directory = ".";
    const Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) return failed();
    return {};
}

}  // namespace toygres
