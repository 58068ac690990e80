#include "localkube/atomic_directory.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

std::string digest_of(const VolumeFiles& files, int group) {
    std::string all = std::to_string(group);
    for (const auto& [path, file] : files)
        all += fmt::format("\n{} {:o} {} ", path, file.mode, file.content.size()) + file.content;
    return sha256_hex(all).substr(0, 16);
}

bool write_one(const std::string& path, const VolumeFile& file, int group) {
    fs::create_directories(fs::path(path).parent_path());
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool ok =
        ::write(fd, file.content.data(), file.content.size()) == static_cast<ssize_t>(file.content.size()) &&
        (group < 0 || ::fchown(fd, static_cast<uid_t>(-1), static_cast<gid_t>(group)) == 0) &&
        ::fchmod(fd, file.mode) == 0;
    ::close(fd);
    return ok;
}

}  // namespace

Result<void> write_atomic_directory(const std::string& directory, const VolumeFiles& files, int group) {
    const auto failed = [&] {
        return std::unexpected(
            Error{ErrorKind::internal, "volume_unwritable", fmt::format("{}: {}", directory, std::strerror(errno))});
    };
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) return failed();
    const auto generation = "..gen_" + digest_of(files, group);
    const auto current = fs::read_symlink(directory + "/..data", error).string();
    if (!error && current == generation) return {};
    const auto folder = directory + "/" + generation;
    fs::remove_all(folder, error);
    fs::create_directory(folder, error);
    ::chmod(folder.c_str(), 0755);
    for (const auto& [path, file] : files)
        if (!write_one(folder + "/" + path, file, group)) return failed();
    const auto link = directory + "/..data_tmp";
    ::unlink(link.c_str());
    if (::symlink(generation.c_str(), link.c_str()) != 0 ||
        ::rename(link.c_str(), (directory + "/..data").c_str()) != 0)
        return failed();
    std::set<std::string> names;
    for (const auto& [path, file] : files) names.insert(path.substr(0, path.find('/')));
    for (const auto& name : names)
        if (::symlink(("..data/" + name).c_str(), (directory + "/" + name).c_str()) != 0 && errno != EEXIST)
            return failed();
    for (const auto& entry : fs::directory_iterator(directory, error))
        if (const auto name = entry.path().filename().string();
            name != "..data" && name != generation && (name.starts_with("..gen_") || !names.contains(name)))
            fs::remove_all(entry.path(), error);
    return {};
}

}  // namespace toygres::localkube
