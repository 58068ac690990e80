#include "agent/configuration.hpp"

#include "agent/tls_files.hpp"
#include "agent/upstream.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

#include <array>
#include <unistd.h>

namespace toygres::agent {
namespace {

constexpr std::array protected_settings{
    "archive_library",
    "cluster_name",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "hot_standby",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "password_encryption",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "restart_after_crash",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "ssl_min_protocol_version",
    "synchronous_standby_names",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
    "wal_level",
};

}  // namespace

Orders orders_for(const ha::Topology& topology, const std::string& member, ha::Role role) {
    Orders orders{reign_of(topology), role, {}, {}};
    if (role == ha::Role::replica && topology.primary != member) orders.upstream = topology.primary;
    if (const auto it = topology.members.find(member); it != topology.members.end()) orders.settings = it->second;
    return orders;
}

bool may_be_set(std::string_view name) {
    if (name.empty() || name.size() > 63) return false;
    if (name.starts_with("recovery_target") || name.starts_with("toygres.")) return false;
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") != std::string_view::npos) return false;
    return std::ranges::find(protected_settings, name) == protected_settings.end();
}

std::string quote_value(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\n' || c == '\r' || c == '\0') continue;  // no value of a setting spans lines
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    return out + "'";
}

std::string postgresql_conf(const Options& options, const ha::MemberSettings& settings) {
    const auto in_private = [&](const char* file) { return quote_value(options.private_dir + "/" + file); };
    std::string out = fmt::format(
        "# Written by toygres-agent; changes made here are lost.\n"
        "data_directory = {}\n"
        "hba_file = {}\n"
        "ident_file = {}\n"
        "listen_addresses = {}\n"
        "port = {}\n"
        "unix_socket_directories = {}\n"
        "cluster_name = {}\n",
        quote_value(options.data_dir), in_private("pg_hba.conf"), in_private("pg_ident.conf"),
        quote_value(options.address), options.postgres_port, quote_value(options.socket_dir),
        quote_value(options.member));
    out += fmt::format(
        "ssl = on\n"
        "ssl_cert_file = {}\n"
        "ssl_key_file = {}\n"
        "ssl_min_protocol_version = 'TLSv1.2'\n"
        "password_encryption = 'scram-sha-256'\n",
        in_private(server_certificate), in_private(server_key));
    // The agent sees every exit and decides by the topology whether postgres may start again.
    out += "restart_after_crash = off\n";
    out +=
        "wal_level = replica\n"
        "max_wal_senders = 10\n"
        "max_replication_slots = 10\n"
        "wal_keep_size = '512MB'\n"  // pg_rewind reads back to the checkpoint before the fork
        "max_slot_wal_keep_size = '1GB'\n"
        "wal_sender_timeout = '5s'\n"
        "hot_standby = on\n"
        "recovery_target_timeline = 'latest'\n"
        "wal_receiver_timeout = '5s'\n"
        "wal_receiver_status_interval = '1s'\n"
        "wal_retrieve_retry_interval = '200ms'\n"
        "shared_buffers = '128MB'\n"
        "timezone = 'UTC'\n"
        "log_timezone = 'UTC'\n"
        "log_destination = 'stderr'\n"
        "logging_collector = off\n"
        "log_line_prefix = '%m [%p] %q%u@%d '\n";
    for (const auto& [name, value] : settings.parameters.value_or(std::map<std::string, std::string>())) {
        if (may_be_set(name))
            out += fmt::format("{} = {}\n", name, quote_value(value));
        else
            out += fmt::format("# not for the topology to set: {}\n", quote_value(name));
    }
    return out + "include 'synchronous.conf'\ninclude 'role.conf'\n";
}

std::string pg_hba_conf(const std::string& replication_user) {
    return fmt::format(
        "# type  database     user                 address  method\n"
        "local   all          postgres                      peer map=toygres\n"
        "local   all          all                           scram-sha-256\n"
        "hostssl replication  {:<19}  all      scram-sha-256\n"
        "hostssl all          all                  all      scram-sha-256\n",
        replication_user);
}

std::string pg_ident_conf(std::string_view os_user) {
    return fmt::format("# map     system user  database user\ntoygres   {}   postgres\n", os_user);
}

std::string synchronous_names(const Orders& orders) {
    return orders.role == ha::Role::primary ? orders.settings.synchronous_standby_names.value_or("") : std::string();
}

std::string synchronous_conf(const Orders& orders) {
    return fmt::format("synchronous_standby_names = {}\n", quote_value(synchronous_names(orders)));
}

std::string reign_text(const ha::Reign& reign) { return fmt::format("{}.{}", reign.epoch, reign.revision); }

std::string role_conf(const Options& options, const Orders& orders, const std::string& user) {
    const bool receives = orders.role == ha::Role::replica && !orders.upstream.empty();
    // Without a control plane there are no epochs to tell apart, and synchronous standbys are named by hand.
    const auto name = options.native ? options.member : ha::stream_name(options.member, orders.reign.epoch);
    const auto source = receives ? replication_conninfo(options, orders.upstream, user, name) : std::string();
    return fmt::format(
        "primary_conninfo = {}\n"
        "primary_slot_name = {}\n"
        "toygres.reign = {}\n",
        quote_value(source), quote_value(receives ? ha::slot_name(options.member) : ""),
        quote_value(reign_text(orders.reign)));
}

Result<std::map<std::string, std::string>> configuration_files(const Options& options, const Orders& orders) {
    auto tls = tls_pair(options, options.postgres_tls_dir());
    if (!tls) return std::unexpected(tls.error());
    auto passwords = passfile_text(options);
    if (!passwords) return std::unexpected(passwords.error());
    const auto user = replication_user(options);
    if (!user) return std::unexpected(user.error());
    return std::map<std::string, std::string>{
        {"postgresql.conf", postgresql_conf(options, orders.settings)},
        {"pg_hba.conf", pg_hba_conf(*user)},
        {"pg_ident.conf", pg_ident_conf(os_user())},
        {"synchronous.conf", synchronous_conf(orders)},
        {"role.conf", role_conf(options, orders, *user)},
        {passfile_path(options).substr(options.private_dir.size() + 1), *std::move(passwords)},
        {std::string(server_certificate), std::move(tls->certificate)},
        {std::string(server_key), std::move(tls->key)}};
}

Result<void> write_configuration(const Options& options, const std::map<std::string, std::string>& files) {
    for (const auto& [name, content] : files) {
        const auto path = options.private_dir + "/" + name;
        if (const auto old = read_file(path); old && *old == content) continue;
        if (auto written = write_file_atomically(path, content, 0600); !written) return written;
    }
    return {};
}

// By hand: the C library's look-up loads plug-ins, which a static program cannot.
std::string os_user() {
    const auto passwd = read_file("/etc/passwd").value_or("");
    const auto uid = std::to_string(::geteuid());
    for (std::size_t begin = 0; begin < passwd.size();) {
        const auto end = std::min(passwd.find('\n', begin), passwd.size());
        const auto line = std::string_view(passwd).substr(begin, end - begin);
        begin = end + 1;
        const auto name_end = line.find(':');
        const auto id_begin = name_end == std::string_view::npos ? name_end : line.find(':', name_end + 1);
        if (id_begin == std::string_view::npos) continue;
        if (line.substr(id_begin + 1, line.find(':', id_begin + 1) - id_begin - 1) == uid)
            return std::string(line.substr(0, name_end));
    }
    return "postgres";
}

}  // namespace toygres::agent
