#include "localkube/quick_file.hpp"

#include "localkube/process.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {

Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode) {
    const auto temporary = path + ".tmp";
    const auto failed = [&] {
        const Error error{ErrorKind::internal, "file_unwritable", fmt::format("{}: {}", path, std::strerror(errno))};
        ::unlink(temporary.c_str());
        return std::unexpected(error);
    };
    const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd || ::fchmod(fd.get(), mode) != 0) return failed();
    for (auto rest = content; !rest.empty();) {
        const auto n = ::write(fd.get(), rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return failed();
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) return failed();
    return {};
}

}  // namespace toygres::localkube
