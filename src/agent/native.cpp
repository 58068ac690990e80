#include "agent/native.hpp"

#include "agent/data_directory.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace toygres::agent {
namespace {

namespace fs = std::filesystem;

// The name in the certificate that the agent makes; whoever asks it from within the container checks for it.
constexpr std::string_view own_name = "toygres-native";
// Made anew at every start.
constexpr std::chrono::hours certificate_lifetime{24 * 365 * 10};

std::string quoted_names(const std::vector<std::string>& nodes) {
    std::vector<std::string> names;
    for (const auto& node : nodes) names.push_back('"' + node + '"');
    return fmt::format("ANY 1 ({})", fmt::join(names, ", "));
}

ha::Topology topology_of(const NativeSettings& s, const VolumeNote& note) {
    ha::MemberSettings own{};
    if (!s.synchronous.empty()) own.synchronous_standby_names = quoted_names(s.synchronous);
    if (s.reclone && !(note.native && note.native->recloned)) own.clone = note.clone + 1;
    // Only the volume knows whether it has had data.
    ha::Topology topology{std::max<std::int64_t>(note.reign.epoch, 1), note.reign.revision + 1, s.node, {}, false};
    // No node has a colon in its name.
    if (s.role == ha::Role::replica) topology.primary = fmt::format("{}:{}", s.primary_host, s.primary_port);
    topology.members[topology.primary] = {};
    topology.members[s.node] = std::move(own);
    return topology;
}

// Where the files are that are otherwise mounted.
Options with_places(Options options, const std::string& private_dir) {
    options.instance = own_name;
    options.private_dir = private_dir;
    options.superuser_dir = private_dir + "/native/superuser";
    options.replication_dir = private_dir + "/native/replication";
    options.tls_dir = private_dir + "/native/tls";
    return options;
}

Result<void> make_directory(const std::string& path) {
    std::error_code e;
    fs::create_directories(path, e);
    if (!e) fs::permissions(path, fs::perms::owner_all, e);
    if (e)
        return std::unexpected(Error{ErrorKind::internal, "file_unwritable", fmt::format("{}: {}", path, e.message())});
    return {};
}

Result<void> write_private_files(const NativeSettings& settings, const Options& options) {
    const auto ca = make_ca(std::string(own_name), certificate_lifetime);
    const auto server = issue_certificate(ca, {.common_name = std::string(own_name),
                                               .dns_names = {std::string(own_name), settings.node},
                                               .ip_addresses = {},
                                               .lifetime = certificate_lifetime,
                                               .for_server = true,
                                               .for_client = false});
    // Nobody is to replicate from an instance that stands alone and names no password.
    const auto replication = settings.replication_password.empty() ? random_password() : settings.replication_password;
    const std::map<std::string, std::string> files{
        {options.superuser_dir + "/password", settings.superuser_password.reveal() + "\n"},
        {options.replication_dir + "/username", settings.replication_user + "\n"},
        {options.replication_dir + "/password", replication.reveal() + "\n"},
        {options.tls_dir + "/ca.crt", ca.certificate_pem},
        {options.tls_dir + "/tls.crt", server.certificate_pem},
        {options.tls_dir + "/tls.key", server.private_key_pem.reveal()}};
    for (const auto& [path, content] : files) {
        if (auto made = make_directory(fs::path(path).parent_path().string()); !made) return made;
        if (auto written = write_file_atomically(path, content, 0600); !written) return written;
    }
    return {};
}

// Data of a replica that has left recovery has a history of its own: to follow another would be to lose it.
Result<void> refuse_promoted(const NativeSettings& settings, const VolumeNote& note, const DataDirectory& data) {
    const bool was_replica = note.native && note.native->role == ha::Role::replica;
    if (settings.role != ha::Role::replica || settings.reclone || !was_replica) return {};
    if (note.unfinished == Unfinished::rewind || !data.has_left_recovery()) return {};
    return std::unexpected(
        Error{ErrorKind::conflict, "data_promoted",
              fmt::format("{} has been promoted since it was a replica's: set REPLICATION_ROLE=primary to go on with "
                          "it, or RECLONE=true to have it replaced by a copy of {}'s",
                          settings.data_dir, settings.primary_host)});
}

}  // namespace

Options native_options(const NativeSettings& settings, const VolumeNote& note) {
    auto options = with_places({}, settings.private_dir);
    options.member = settings.node;
    options.address = settings.address;
    options.data_dir = settings.data_dir;
    options.socket_dir = settings.socket_dir;
    options.postgres_port = settings.port;
    options.agent_port = settings.status_port;
    options.native = Native{.topology = topology_of(settings, note),
                            .role = settings.role,
                            .primary_host = settings.primary_host,
                            .primary_port = settings.primary_port,
                            .superuser = settings.superuser,
                            .tls_dir = settings.tls_dir,
                            .reclone = settings.reclone};
    return options;
}

Options native_local_options(const Environment& environment) {
    const auto places = native_places(environment);
    auto options = with_places({}, places.private_dir);
    options.address = places.address;
    options.agent_port = places.status_port;
    return options;
}

Result<Options> prepare_native(const NativeSettings& settings, const Binaries& binaries) {
    if (::geteuid() == 0)
        return std::unexpected(
            Error{ErrorKind::invalid, "runs_as_root",
                  "PostgreSQL refuses to run as root: run the container as the image's user postgres"});
    const DataDirectory data(settings.data_dir, binaries);
    const auto note = read_note(data.volume());
    if (!note) return std::unexpected(note.error());
    if (auto fits = refuse_promoted(settings, *note, data); !fits) return std::unexpected(fits.error());
    auto options = native_options(settings, *note);
    if (auto written = write_private_files(settings, options); !written) return std::unexpected(written.error());
    ::unlink(promotion_request(options).c_str());
    return options;
}

std::string promotion_request(const Options& options) { return options.private_dir + "/native/promote"; }

}  // namespace toygres::agent
