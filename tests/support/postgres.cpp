#include "support/postgres.hpp"

#include "base/crypto.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <pwd.h>
#include <unistd.h>
#include <vector>

namespace toygres::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::string server_binaries() {
    std::vector<int> majors;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ec))
        if (fs::exists(entry.path() / "bin/initdb")) majors.push_back(std::atoi(entry.path().filename().c_str()));
    if (majors.empty()) raise(ErrorKind::not_found, "no_postgres", "no PostgreSQL server is installed");
    return fmt::format("/usr/lib/postgresql/{}/bin", *std::ranges::max_element(majors));
}

namespace {

// PostgreSQL refuses to run as root.
std::string as_server_user() {
    return ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups -- " : "";
}

void shell(const std::string& command) {
    if (std::system((command + " >/dev/null 2>&1 </dev/null").c_str()) != 0)
        raise(ErrorKind::internal, "command_failed", command);
}

}  // namespace

struct PostgresServer::Impl {
    std::string root = (fs::temp_directory_path() / ("toygres-pg-" + random_hex(8))).string();
    std::string bin = server_binaries();
    int databases = 0;
    bool running = false;

    std::string ctl(const std::string& what) const {
        return fmt::format("{}{}/pg_ctl -D {}/data -w -t 60 {}", as_server_user(), bin, root, what);
    }
};

PostgresServer::PostgresServer() : impl_(std::make_unique<Impl>()) {
    fs::create_directories(impl_->root);
    if (::geteuid() == 0) {
        const auto* user = ::getpwnam("postgres");
        if (user == nullptr || ::chown(impl_->root.c_str(), user->pw_uid, user->pw_gid) != 0)
            raise(ErrorKind::internal, "no_postgres_user", "root needs the user postgres to run a server");
    }
    shell(fmt::format("{}{}/initdb -D {}/data -U postgres -A trust --no-sync -E UTF8 --locale=C", as_server_user(),
                      impl_->bin, impl_->root));
    start();
}

PostgresServer::~PostgresServer() {
    try {
        if (impl_->running) stop("immediate");
        fs::remove_all(impl_->root);
    } catch (const std::exception& e) {
        fmt::print(stderr, "test server: {}\n", e.what());
    }
}

void PostgresServer::start() {
    shell(
        // A socket in its own directory only: no port that another process may have taken when it starts again.
        impl_->ctl(fmt::format("start -l {}/log -o \"-k {} -c listen_addresses='' -c max_connections=200\"",
                               impl_->root, impl_->root)));
    impl_->running = true;
}

void PostgresServer::stop(const std::string& mode) {
    shell(impl_->ctl("stop -m " + mode));
    impl_->running = false;
}

void PostgresServer::restart(const std::string& mode) {
    stop(mode);
    start();
}

int PostgresServer::pid() const {
    return std::atoi(read_file(impl_->root + "/data/postmaster.pid").value_or("0").c_str());
}

std::string PostgresServer::conninfo(const std::string& database) const {
    return fmt::format("host={} user=postgres dbname={}", impl_->root, database);
}

const std::string& PostgresServer::directory() const { return impl_->root; }

std::string PostgresServer::create_database() {
    const auto name = fmt::format("test_{}_{}", ++impl_->databases, ::getpid());
    shell(fmt::format("psql -X -h {} -U postgres -c 'CREATE DATABASE {}'", impl_->root, name));
    return conninfo(name);
}

PostgresServer& shared_postgres() {
    static PostgresServer server;
    return server;
}

}  // namespace toygres::test
