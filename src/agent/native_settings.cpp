#include "agent/native_settings.hpp"

#include "agent/native_variables.hpp"
#include "base/asio.hpp"
#include "base/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <unistd.h>

namespace toygres::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::array replication_variables{"REPLICATION_ROLE", "PRIMARY_HOST", "PRIMARY_PORT",
                                           "SYNCHRONOUS_STANDBY_NAMES", "RECLONE"};

void read_mode(Variables& v, NativeSettings& s) {
    const auto mode = v.get("HA_MODE");
    if (!mode.empty() && mode != "native")
        v.refuse("HA_MODE", fmt::format("is {}", mode), "set it to native, or remove it for an instance by itself");
    for (const char* other : {"USE_PATRONI", "USE_CITUS"})
        if (v.get(other) == "true")
            v.refuse(other, "is true, and this program runs PostgreSQL by itself",
                     "set it to false, or do without this program");
    if (!mode.empty()) {
        const auto role = v.get("REPLICATION_ROLE");
        if (role == "primary")
            s.role = ha::Role::primary;
        else if (role == "replica")
            s.role = ha::Role::replica;
        else
            v.refuse("REPLICATION_ROLE", role.empty() ? "is not set" : fmt::format("is {}", role),
                     "set it to primary or replica: HA_MODE=native needs one of them");
        return;
    }
    // A replica whose HA_MODE got lost would otherwise begin a history of its own.
    for (const char* name : replication_variables)
        if (!v.get(name).empty())
            v.refuse(name, "is set, but HA_MODE is not", "set HA_MODE=native, or remove it for an instance by itself");
}

void read_node(Variables& v, NativeSettings& s, const std::string& host_name) {
    s.node = v.get("NODE_NAME");
    if (s.node.empty()) s.node = host_name;
    if (!is_node_name(s.node))
        v.refuse("NODE_NAME", fmt::format("is \"{}\"{}", s.node, v.get("NODE_NAME").empty() ? ", the host's name" : ""),
                 "set it to 1 to 60 lower-case letters, digits, - and _, with a letter or a digit first");
}

void read_primary(Variables& v, NativeSettings& s) {
    s.primary_host = v.get("PRIMARY_HOST");
    s.primary_port = v.port("PRIMARY_PORT", 5432);
    if (s.role != ha::Role::replica) return;
    if (s.primary_host.empty())
        v.refuse("PRIMARY_HOST", "is not set", "set it to the primary's host name or address: a replica needs it");
    else if (!is_host(s.primary_host))
        v.refuse("PRIMARY_HOST", fmt::format("is \"{}\"", s.primary_host), "set it to one host name or address");
    else if (s.primary_host == s.node)
        v.refuse("PRIMARY_HOST", "is this node's own name", "set it to the primary's: no node replicates from itself");
}

void read_users(Variables& v, NativeSettings& s) {
    s.superuser = v.user("POSTGRES_USER", "postgres");
    s.superuser_password = v.password("POSTGRES_PASSWORD", true);
    s.replication_user = v.user("REPLICATION_USER", "toygres_replication");
    s.replication_password = v.password("REPLICATION_PASSWORD", s.role != ha::Role::none);
    if (s.replication_user == s.superuser || s.replication_user == "postgres")
        v.refuse("REPLICATION_USER", fmt::format("is {}, a superuser", s.replication_user),
                 "set it to a name of its own: the two have different passwords and rights");
}

void read_synchronous(Variables& v, NativeSettings& s) {
    const auto text = v.get("SYNCHRONOUS_STANDBY_NAMES");
    if (text.empty()) return;
    std::set<std::string> seen;
    for (auto name : split_list(text)) {
        const bool fits = is_node_name(name) && name != s.node && seen.insert(name).second;
        if (!fits)
            v.refuse("SYNCHRONOUS_STANDBY_NAMES", fmt::format("names \"{}\"", name),
                     "set it to the NODE_NAMEs of other nodes, each once, separated by commas");
        s.synchronous.push_back(std::move(name));
    }
}

void read_data_dir(Variables& v, NativeSettings& s) {
    s.data_dir = v.directory("PGDATA", "");
    const auto refuse = [&v](std::string what, std::string remedy) {
        v.refuse("PGDATA", std::move(what), std::move(remedy));
    };
    if (s.data_dir.empty()) {
        if (v.get("PGDATA").empty()) refuse("is not set", "set it to a directory below the volume's");
        return;
    }
    const auto volume = fs::path(s.data_dir).parent_path().string();
    if (volume == "/")
        refuse(fmt::format("is {}, directly below /", s.data_dir), "set it to a directory below the volume's");
    else if (is_mount_point(s.data_dir))
        refuse(fmt::format("is {}, where a volume is mounted", s.data_dir),
               fmt::format("set it to a directory below, for example {}/pgdata: data is replaced by renaming",
                           s.data_dir));
    else if (::access(volume.c_str(), W_OK | X_OK) != 0)
        refuse(fmt::format("is in {}, which cannot be written", volume),
               "mount a volume there that belongs to the user of this process");
}

void read_places(Variables& v, NativeSettings& s) {
    const NativePlaces standard;
    s.address = v.get("LISTEN_ADDRESS");
    if (s.address.empty()) s.address = standard.address;
    boost::system::error_code e;
    if (asio::ip::make_address_v4(s.address, e); e)
        v.refuse("LISTEN_ADDRESS", fmt::format("is \"{}\"", s.address), "set it to an IPv4 address of this host");
    s.port = v.port("LISTEN_PORT", 5432);
    s.status_port = v.port("STATUS_PORT", standard.status_port);
    if (s.port == s.status_port)
        v.refuse("STATUS_PORT", fmt::format("is {}, and so is LISTEN_PORT", s.port), "set one of them to another port");
    s.private_dir = v.directory("PRIVATE_DIR", standard.private_dir);
    s.socket_dir = v.directory("SOCKET_DIR", "/run/postgresql");
    for (const auto& [name, path] : {std::pair("PRIVATE_DIR", s.private_dir), std::pair("SOCKET_DIR", s.socket_dir)})
        if (!path.empty() && ::access(path.c_str(), W_OK | X_OK) != 0)
            v.refuse(name, fmt::format("is {}, which cannot be written", path),
                     "set it to a directory of the user of this process, best in memory");
}

void read_tls(Variables& v, NativeSettings& s) {
    s.tls_dir = v.directory("TLS_DIR", "");
    if (s.tls_dir.empty()) return;
    for (const char* file : {"tls.crt", "tls.key", "ca.crt"})
        if (!read_file(fmt::format("{}/{}", s.tls_dir, file)))
            v.refuse("TLS_DIR", fmt::format("has no {} that can be read", file),
                     "put tls.crt, tls.key and ca.crt there, or remove it for a certificate of the node's own");
}

void read_reclone(Variables& v, NativeSettings& s) {
    const auto text = v.get("RECLONE");
    s.reclone = text == "true";
    if (!text.empty() && text != "true" && text != "false")
        v.refuse("RECLONE", fmt::format("is \"{}\"", text), "set it to true or false, or remove it");
    if (s.reclone && s.role == ha::Role::primary)
        v.refuse("RECLONE", "is true for a primary", "remove it: only a replica's data can be copied afresh");
}

}  // namespace

Environment environment_of_this_process() {
    Environment out;
    for (char** e = ::environ; *e != nullptr; ++e) {
        const std::string entry = *e;
        if (const auto at = entry.find('='); at != std::string::npos) out[entry.substr(0, at)] = entry.substr(at + 1);
    }
    return out;
}

std::expected<NativeSettings, std::vector<Problem>> read_native_settings(const Environment& environment,
                                                                         const std::string& host_name) {
    Variables v(environment);
    NativeSettings s{};
    read_mode(v, s);
    read_node(v, s, host_name);
    read_primary(v, s);
    read_users(v, s);
    read_synchronous(v, s);
    read_data_dir(v, s);
    read_places(v, s);
    read_tls(v, s);
    read_reclone(v, s);
    if (!v.problems().empty()) return std::unexpected(v.problems());
    return s;
}

NativePlaces native_places(const Environment& environment) {
    Variables v(environment);
    NativePlaces out;
    if (auto address = v.get("LISTEN_ADDRESS"); !address.empty()) out.address = std::move(address);
    out.status_port = v.port("STATUS_PORT", out.status_port);
    out.private_dir = v.directory("PRIVATE_DIR", out.private_dir);
    return out;
}

}  // namespace toygres::agent
