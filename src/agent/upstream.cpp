#include "agent/upstream.hpp"

#include "base/file.hpp"

#include <fmt/format.h>

namespace toygres::agent {
namespace {

std::string escaped(std::string_view value, std::string_view special) {
    std::string out;
    for (const char c : value) {
        if (special.contains(c)) out += '\\';
        out += c;
    }
    return out;
}

std::string in_quotes(std::string_view value) { return "'" + escaped(value, "'\\") + "'"; }

Result<std::string> first_line_of(const std::string& path) {
    auto text = read_file(path);
    if (text) text->resize(std::min(text->find_first_of("\r\n"), text->size()));
    return text;
}

// Who is gone must be noticed, whether we wait for an answer or for our own data to be taken.
constexpr std::string_view liveness =
    "connect_timeout=5 tcp_user_timeout=5000 keepalives_idle=3 keepalives_interval=1 keepalives_count=3";

// A certificate that a primary has made itself proves nothing. Then SCRAM, bound to this very connection, proves that
// who is at its other end knows the password.
std::string_view proof(const Options& options) {
    return options.native && options.native->tls_dir.empty() ? "sslmode=require channel_binding=require"
                                                             : "sslmode=verify-full";
}

std::string root_certificate(const Options& options) {
    return options.native && options.native->tls_dir.empty() ? options.private_dir + "/no-certificate"
                                                             : options.postgres_tls_dir() + "/ca.crt";
}

std::string conninfo(const Options& options, const std::string& member, const std::string& user) {
    std::string out =
        fmt::format("host={} port={} user={}", in_quotes(member_host(options, member)),
                    options.native ? options.native->primary_port : options.postgres_port, in_quotes(user));
    if (const auto address = options.peer_addresses.find(member); address != options.peer_addresses.end())
        out += " hostaddr=" + in_quotes(address->second);
    // A certificate that is not there is not shown; the default is one in the home directory, which may not even be
    // readable.
    return out + fmt::format(" passfile={} {} sslrootcert={} sslcert={} gssencmode=disable {}",
                             in_quotes(passfile_path(options)), proof(options), in_quotes(root_certificate(options)),
                             in_quotes(options.private_dir + "/no-certificate"), liveness);
}

}  // namespace

std::string member_host(const Options& options, const std::string& member) {
    if (options.native) return options.native->primary_host;
    return fmt::format("{}-0.{}-members.{}.svc.cluster.local", member, options.instance, options.ns);
}

std::string replication_conninfo(const Options& options, const std::string& member, const std::string& user,
                                 const std::string& name) {
    return conninfo(options, member, user) + " application_name=" + in_quotes(name);
}

std::string superuser_conninfo(const Options& options, const std::string& member) {
    return conninfo(options, member, "postgres") + " dbname=postgres application_name=toygres-agent";
}

Result<std::string> replication_user(const Options& options) {
    return first_line_of(options.replication_dir + "/username");
}

std::string passfile_path(const Options& options) { return options.private_dir + "/passwords"; }

Result<std::string> passfile_text(const Options& options) {
    const auto superuser = first_line_of(options.superuser_dir + "/password");
    if (!superuser) return superuser;
    const auto user = replication_user(options);
    if (!user) return user;
    const auto replication = first_line_of(options.replication_dir + "/password");
    if (!replication) return replication;
    const auto line = [](std::string_view name, std::string_view password) {
        return fmt::format("*:*:*:{}:{}\n", escaped(name, ":\\"), escaped(password, ":\\"));
    };
    return line("postgres", *superuser) + line(*user, *replication);
}

}  // namespace toygres::agent
