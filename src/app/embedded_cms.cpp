#include "app/embedded_cms.hpp"

#include "base/file.hpp"
#include "base/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <pwd.h>
#include <unistd.h>

namespace toygres::app {

namespace fs = std::filesystem;

std::vector<int> EmbeddedCms::installed_majors() {
    std::vector<int> out;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ec))
        if (fs::exists(entry.path() / "bin/initdb")) out.push_back(std::atoi(entry.path().filename().c_str()));
    std::ranges::sort(out);
    return out;
}

EmbeddedCms::EmbeddedCms(std::string directory) : directory_(std::move(directory)) {
    // A cluster that exists stays with the major that made it.
    auto majors = installed_majors();
    const auto made_by = read_file(data() + "/PG_VERSION");
    if (made_by) std::erase_if(majors, [&](int m) { return m != std::atoi(made_by->c_str()); });
    if (!majors.empty()) bin_ = fmt::format("/usr/lib/postgresql/{}/bin", majors.back());
}

Result<void> EmbeddedCms::run(const std::string& program, const std::string& arguments) const {
    const auto user = ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --init-groups -- " : "";
    const auto command = fmt::format("cd / && {}'{}/{}' {} >>'{}/setup.log' 2>&1 </dev/null", user, bin_, program,
                                     arguments, directory_);
    if (std::system(command.c_str()) == 0) return {};
    auto tail =
        read_file(directory_ + "/postgres.log").value_or("") + read_file(directory_ + "/setup.log").value_or("");
    if (tail.size() > 600) tail = "…" + tail.substr(tail.size() - 600);
    return std::unexpected(Error{ErrorKind::internal, "cms_not_started", fmt::format("{} failed: {}", program, tail)});
}

Result<void> EmbeddedCms::start() {
    if (bin_.empty())
        return std::unexpected(Error{ErrorKind::not_found, "no_postgres",
                                     "no PostgreSQL server is installed; on Debian: apt-get install postgresql"});
    if (running()) return {};
    std::error_code ec;
    fs::create_directories(directory_, ec);
    if (::geteuid() == 0) {
        const auto* user = ::getpwnam("postgres");
        if (user == nullptr || ::chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0)
            return std::unexpected(
                Error{ErrorKind::internal, "cms_not_started", "there is no user postgres to run the server as"});
    }
    fs::permissions(directory_, fs::perms::owner_all, ec);
    if (!fs::exists(data() + "/PG_VERSION")) {
        fs::remove_all(data() + ".new", ec);
        if (auto made =
                run("initdb", fmt::format("-D '{}.new' -U toygres -A trust -k -E UTF8 --locale=C.UTF-8", data()));
            !made)
            return made;
        fs::rename(data() + ".new", data(), ec);
        if (ec) return std::unexpected(Error{ErrorKind::internal, "cms_not_started", ec.message()});
    }
    return run("pg_ctl", fmt::format("-D '{0}' -w -t 120 -l '{1}/postgres.log' -o \"-c listen_addresses='' -c "
                                     "unix_socket_directories='{1}' -c max_connections=200\" start",
                                     data(), directory_));
}

Result<void> EmbeddedCms::stop() {
    if (!running()) return {};
    return run("pg_ctl", fmt::format("-D '{}' -w -t 60 -m fast stop", data()));
}

bool EmbeddedCms::running() const {
    const auto pid_file = read_file(data() + "/postmaster.pid");
    if (!pid_file || bin_.empty()) return false;
    return run("pg_ctl", fmt::format("-D '{}' status", data())).has_value();
}

std::string EmbeddedCms::conninfo() const { return fmt::format("host={} user=toygres dbname=postgres", directory_); }

}  // namespace toygres::app
