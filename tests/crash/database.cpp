#include "database.hpp"

#include "base/crypto.hpp"
#include "base/error.hpp"
#include "support/postgres.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <sys/mount.h>
#include <unistd.h>

namespace toygres::crash {
namespace {

namespace fs = std::filesystem;

constexpr auto volume_options = "size=400m,mode=0700";

std::string as_server_user() {
    return ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups -- " : "";
}

bool succeeds(const std::string& command) {
    return std::system(("cd / && " + command + " >/dev/null 2>&1 </dev/null").c_str()) == 0;
}

void shell(const std::string& command) {
    if (!succeeds(command)) raise(ErrorKind::internal, "command_failed", command);
}

void give_to_server_user(const std::string& path) {
    if (::geteuid() != 0) return;
    const auto* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
        raise(ErrorKind::internal, "no_postgres_user", "root needs the user postgres to run a server");
}

}  // namespace

Database::Database()
    : root_((fs::temp_directory_path() / ("toygres-crash-" + random_hex(8))).string()), bin_(test::server_binaries()) {
    fs::create_directories(root_);
    give_to_server_user(root_);
    mounted_ = true;
    for (int n = 0; n < 2; ++n) {
        fs::create_directories(node(n));
        mounted_ = mounted_ && ::mount("tmpfs", node(n).c_str(), "tmpfs", 0, volume_options) == 0;
        give_to_server_user(node(n));
    }
    shell(
        fmt::format("{}{}/initdb -D {}/data -U postgres -A trust -E UTF8 --locale=C", as_server_user(), bin_, node(0)));
    std::ofstream(node(0) + "/data/postgresql.auto.conf", std::ios::app)
        << "listen_addresses = ''\nmax_connections = 100\nwal_keep_size = '64MB'\nmax_wal_size = '128MB'\n"
        << "min_wal_size = '32MB'\n";
    start(0);
    make_standby(1);
}

Database::~Database() {
    for (int n = 0; n < 2; ++n) {
        succeeds(server_command(n, "stop -m immediate"));
        ::umount2(node(n).c_str(), MNT_DETACH);
    }
    std::error_code ignored;
    fs::remove_all(root_, ignored);
}

std::string Database::node(int n) const { return fmt::format("{}/{}", root_, n == 0 ? "a" : "b"); }

std::string Database::conninfo() const {
    return fmt::format("host={},{} user=postgres dbname=postgres target_session_attrs=read-write connect_timeout=2",
                       node(0), node(1));
}

std::string Database::server_command(int n, const std::string& what) const {
    return fmt::format("{}{}/pg_ctl -D {}/data -w -t 60 {}", as_server_user(), bin_, node(n), what);
}

std::string Database::sql(int n, const std::string& text) const {
    pqxx::connection connection(fmt::format("host={} user=postgres dbname=postgres", node(n)));
    const auto rows = pqxx::nontransaction(connection).exec(text);
    return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].as<std::string>();
}

void Database::start(int n) const {
    shell(server_command(n, fmt::format("start -l {}/{}.log -o \"-k {}\"", root_, n, node(n))));
}

void Database::stop(int n) const { shell(server_command(n, "stop -m immediate")); }

void Database::make_standby(int n) const {
    std::error_code ignored;
    fs::remove_all(node(n) + "/data", ignored);
    sql(1 - n, "ALTER SYSTEM SET synchronous_standby_names = ''");
    sql(1 - n, "SELECT pg_reload_conf()");
    shell(fmt::format("{}{}/pg_basebackup -h {} -U postgres -D {}/data -c fast -R -X stream", as_server_user(), bin_,
                      node(1 - n), node(n)));
    start(n);
    sql(1 - n, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    sql(1 - n, "SELECT pg_reload_conf()");
    while (sql(1 - n, "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'") != "sync") continue;
}

void Database::terminate_sessions() const {
    sql(primary_, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'crash%'");
}

void Database::restart() {
    stop(primary_);
    start(primary_);
}

void Database::fail_over() {
    stop(primary_);
    primary_ = 1 - primary_;
    // What it acknowledges from here on is not yet anywhere else.
    shell(server_command(primary_, "promote"));
    make_standby(1 - primary_);
}

void Database::fill() {
    std::ofstream filler(node(primary_) + "/filler", std::ios::binary);
    const std::string block(1 << 16, 'x');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
}

void Database::empty() {
    fs::remove(node(primary_) + "/filler");
    if (!succeeds(server_command(primary_, "status"))) start(primary_);
}

}  // namespace toygres::crash
