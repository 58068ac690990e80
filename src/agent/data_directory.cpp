#include "agent/data_directory.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/process.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <csignal>
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
    remove_leftovers();
    const auto unfinished = fmt::format("{}{}{}", path_, unfinished_infix, random_hex(8));
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
    if (!sync_directory(unfinished) || ::rename(unfinished.c_str(), path_.c_str()) != 0 || !sync_directory(volume_))
        co_return failed(fmt::format("{}: {}", path_, std::strerror(errno)));
    co_return Result<void>();
}

void DataDirectory::remove_stale_pid_file() const { ::unlink((path_ + "/postmaster.pid").c_str()); }

void DataDirectory::restrict_permissions() const {
    std::error_code e;
    fs::permissions(path_, fs::perms::owner_all, e);
}

std::int64_t DataDirectory::epoch_seen() const {
    const auto text = read_file(volume_ + "/.toygres.epoch");
    std::int64_t epoch = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), epoch);
    return epoch;
}

Result<void> DataDirectory::note_epoch(std::int64_t epoch) const {
    if (epoch == epoch_seen()) return {};
    return write_file_atomically(volume_ + "/.toygres.epoch", fmt::format("{}\n", epoch), 0600);
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
