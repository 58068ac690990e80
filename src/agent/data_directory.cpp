#include "agent/data_directory.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/process.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>

namespace toygres::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes initdb_timeout{10};
constexpr std::string_view unfinished_infix = ".new-";

std::string trimmed(std::string text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    return text;
}

bool sync_directory(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && ::fsync(fd.get()) == 0;
}

std::unexpected<Error> unwritable(const std::string& path) {
    return std::unexpected(
        Error{ErrorKind::internal, "file_unwritable", fmt::format("{}: {}", path, std::strerror(errno))});
}

}  // namespace

DataDirectory::DataDirectory(std::string path, Binaries binaries)
    : path_(std::move(path)), volume_(fs::path(path_).parent_path().string()), binaries_(std::move(binaries)) {}

Data DataDirectory::state() const {
    std::error_code e;
    const auto status = fs::symlink_status(path_, e);
    if (status.type() == fs::file_type::not_found) return Data::absent;
    const auto version = read_file(path_ + "/PG_VERSION");
    if (!version || !fs::exists(path_ + "/global/pg_control", e)) return Data::foreign;
    return trimmed(*version) == binaries_.major ? Data::whole : Data::foreign;
}

bool DataDirectory::replica_data() const {
    std::error_code e;
    return fs::exists(path_ + "/standby.signal", e);
}

bool DataDirectory::has_left_recovery() const {
    std::error_code e;
    return state() == Data::whole &&
           fs::symlink_status(path_ + "/standby.signal", e).type() == fs::file_type::not_found;
}

std::optional<Descriptor> DataDirectory::lock() const {
    Descriptor fd(::open((volume_ + "/.toygres.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
    return fd;
}

void DataDirectory::remove_leftovers() const {
    const auto prefix = fs::path(path_).filename().string() + std::string(unfinished_infix);
    std::error_code e;
    for (const auto& entry : fs::directory_iterator(volume_, e))
        if (entry.path().filename().string().starts_with(prefix)) {
            log::warning("bootstrap.leftover_removed", {{"path", entry.path().string()}});
            fs::remove_all(entry.path(), e);
        }
}

asio::awaitable<Result<void>> DataDirectory::bootstrap(std::string password_file, int lock_fd) const {
    const auto failed = [](std::string why) {
        return std::unexpected(Error{ErrorKind::internal, "initdb_failed", std::move(why)});
    };
    const auto unfinished = begin_new();
    // initdb writes everything to disk before it ends.
    const Command command{{binaries_.path("initdb"), "--pgdata=" + unfinished, "--username=postgres",
                           "--pwfile=" + password_file, "--auth-local=peer", "--auth-host=scram-sha-256",
                           "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"},
                          {{"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
                          {lock_fd},
                          SIGKILL};
    const auto done = co_await run_command(command, {}, initdb_timeout);
    if (!done) co_return failed(done.error().message);
    if (!done->status.ok()) co_return failed(fmt::format("{}: {}", to_string(done->status), trimmed(done->errors)));
    if (const auto adopted = adopt(unfinished); !adopted) co_return failed(adopted.error().message);
    co_return Result<void>();
}

std::string DataDirectory::begin_new() const {
    remove_leftovers();
    return fmt::format("{}{}{}", path_, unfinished_infix, random_hex(8));
}

Result<void> DataDirectory::adopt(const std::string& path) const {
    if (!sync_directory(path)) return unwritable(path);
    if (state() == Data::absent) {
        if (::rename(path.c_str(), path_.c_str()) != 0) return unwritable(path_);
    } else if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
        // A file system that cannot exchange two names.
        if (auto removed = remove(); !removed) return removed;
        if (::rename(path.c_str(), path_.c_str()) != 0) return unwritable(path_);
    }
    if (!sync_directory(volume_)) return unwritable(volume_);
    remove_leftovers();
    return {};
}

Result<void> DataDirectory::remove() const {
    if (state() == Data::absent) return {};
    const auto aside = fmt::format("{}{}{}", path_, unfinished_infix, random_hex(8));
    if (::rename(path_.c_str(), aside.c_str()) != 0 || !sync_directory(volume_)) return unwritable(path_);
    remove_leftovers();
    return {};
}

Result<void> DataDirectory::make_replica(const std::string& path) {
    return write_file_atomically(path + "/standby.signal", "", 0600);
}

void DataDirectory::remove_stale_pid_file() const { ::unlink((path_ + "/postmaster.pid").c_str()); }

void DataDirectory::restrict_permissions() const {
    std::error_code e;
    fs::permissions(path_, fs::perms::owner_all, e);
}

std::string DataDirectory::postmaster_state() const {
    const auto text = read_file(path_ + "/postmaster.pid");
    if (!text) return {};
    // The eighth line, PM_STATUS in PostgreSQL's pidfile.h.
    std::size_t at = 0;
    for (int line = 1; line < 8; ++line) {
        at = text->find('\n', at);
        if (at == std::string::npos) return {};
        ++at;
    }
    return trimmed(text->substr(at, text->find('\n', at) - at));
}

}  // namespace toygres::agent
