#include "agent/roles.hpp"

#include "agent/scram.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

#include <map>

namespace toygres::agent {
namespace {

struct Role {
    std::string name;
    Secret password;
    std::string attributes;  // of a role that has to be made
};

std::string first_line(const std::string& text) { return text.substr(0, text.find_first_of("\r\n")); }

Result<std::string> read_line(const std::string& path) {
    auto text = read_file(path);
    if (text) text = first_line(*text);
    return text;
}

Result<std::vector<Role>> wanted_roles(const Options& options) {
    const auto superuser = read_line(options.superuser_dir + "/password");
    if (!superuser) return std::unexpected(superuser.error());
    const auto user = read_line(options.replication_dir + "/username");
    if (!user) return std::unexpected(user.error());
    const auto replication = read_line(options.replication_dir + "/password");
    if (!replication) return std::unexpected(replication.error());
    std::vector<Role> out{{"postgres", Secret(*superuser), "SUPERUSER"}, {*user, Secret(*replication), "REPLICATION"}};
    if (options.native && options.native->superuser != "postgres")
        out.push_back({options.native->superuser, Secret(*superuser), "SUPERUSER"});
    return out;
}

std::string quoted_name(const std::string& name) {
    std::string out = "\"";
    for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

}  // namespace

std::string roles_digest(const Options& options) {
    std::string all;
    for (const auto& path : {options.superuser_dir + "/password", options.replication_dir + "/password"})
        all += read_file(path).value_or("") + '\0';
    return sha256_hex(all);
}

asio::awaitable<Result<bool>> reconcile_roles(const Options& options, const Psql& psql) {
    const auto wanted = wanted_roles(options);
    if (!wanted) co_return std::unexpected(wanted.error());
    const auto rows =
        co_await psql.run("SELECT rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolcanlogin;\n");
    if (!rows) co_return std::unexpected(rows.error());
    std::map<std::string, std::string> verifiers;
    for (std::size_t begin = 0; begin < rows->size();) {
        const auto end = std::min(rows->find('\n', begin), rows->size());
        const auto row = rows->substr(begin, end - begin);
        begin = end + 1;
        if (const auto bar = row.rfind('|'); bar != std::string::npos)
            verifiers[row.substr(0, bar)] = row.substr(bar + 1);
    }
    std::string script;
    for (const auto& role : *wanted) {
        const auto known = verifiers.find(role.name);
        if (known != verifiers.end() && scram_matches(known->second, role.password)) continue;
        script += fmt::format("{} ROLE {} {} PASSWORD '{}';\n", known == verifiers.end() ? "CREATE" : "ALTER",
                              quoted_name(role.name), known == verifiers.end() ? "LOGIN " + role.attributes : "LOGIN",
                              scram_verifier(role.password));
        log::info("role.changed", {{"role", role.name}, {"made", known == verifiers.end()}});
    }
    if (script.empty()) co_return false;
    const auto done = co_await psql.run("BEGIN;\n" + script + "COMMIT;\n");
    if (!done) co_return std::unexpected(done.error());
    co_return true;
}

}  // namespace toygres::agent
