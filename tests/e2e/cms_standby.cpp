#include "cms_standby.hpp"

#include "stack.hpp"
#include "support/postgres.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <unistd.h>

namespace toygres::test {

namespace {

std::string value_at(const std::string& socket_directory, const std::string& query) {
    pqxx::connection connection(
        fmt::format("host={} user=toygres dbname=postgres options='-c search_path=toygres_cms'", socket_directory));
    return pqxx::nontransaction(connection).exec1(query)[0].as<std::string>();
}

}  // namespace

CmsStandby::CmsStandby(std::string directory) : directory_(std::move(directory)) {
    const auto cms = directory_ + "/cms";
    std::filesystem::create_directory(socket_directory());
    if (::geteuid() == 0) shell("chown postgres: " + socket_directory());
    run("pg_basebackup", fmt::format("-D {}/data -h {} -U toygres -c fast -R", socket_directory(), cms));
    run("pg_ctl", fmt::format("-D {0}/data -w -l {0}/log -o \"-c listen_addresses='' -c unix_socket_directories={0} -c "
                              "max_connections=200 -c synchronous_standby_names=''\" start",
                              socket_directory()));
    run("psql", fmt::format("-h {} -U toygres -d postgres -qc \"ALTER SYSTEM SET synchronous_standby_names = '*'\" -c "
                            "\"SELECT pg_reload_conf()\"",
                            cms));
    REQUIRE(eventually(
        [&] { return value_at(cms, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"; }));
}

CmsStandby::~CmsStandby() { shell(fmt::format("kill -QUIT $(head -1 {}/data/postmaster.pid)", socket_directory())); }

void CmsStandby::promote() const { run("pg_ctl", fmt::format("-D {}/data -w promote", socket_directory())); }

std::string CmsStandby::value(const std::string& query) const { return value_at(socket_directory(), query); }

void CmsStandby::run(const std::string& program, const std::string& arguments) const {
    const auto user = ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --init-groups -- " : "";
    const auto ran = shell(fmt::format("cd / && {}{}/{} {}", user, server_binaries(), program, arguments));
    INFO(ran.output);
    REQUIRE(ran.code == 0);
}

}  // namespace toygres::test
