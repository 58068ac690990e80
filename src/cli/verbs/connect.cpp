#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <sys/mman.h>
#include <unistd.h>

namespace toygres::cli {
namespace {

// A file that lives in memory for as long as this process, or what it becomes, holds it; its path.
std::string memory_file(const std::string& content) {
    const int fd = ::memfd_create("toygres-ca", 0);
    if (fd < 0 || ::write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        raise(ErrorKind::internal, "no_memory_file",
              fmt::format("cannot keep the CA certificate: {}", std::strerror(errno)));
    return fmt::format("/proc/self/fd/{}", fd);
}

[[noreturn]] void become_psql(const Json& connection, const std::vector<std::string>& arguments) {
    ::setenv("PGPASSWORD", text_at(connection, "password").c_str(), 1);
    ::setenv("PGSSLROOTCERT", memory_file(text_at(connection, "ca_certificate")).c_str(), 1);
    std::vector<std::string> argv{"psql", text_at(connection, "url")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    std::vector<char*> raw;
    for (auto& argument : argv) raw.push_back(argument.data());
    raw.push_back(nullptr);
    ::execvp("psql", raw.data());
    raise(ErrorKind::internal, "no_psql",
          errno == ENOENT ? "psql is not installed; install it (Debian: apt-get install postgresql-client), or see: "
                            "toygres connect NAME --print"
                          : fmt::format("cannot run psql: {}", std::strerror(errno)));
}

// From the instance itself: nobody's password is read for it.
int print_url(Session& session, const std::string& name) {
    const auto instance = session.api.get(instance_path(name));
    const auto url = text_at(instance, "url");
    if (url.empty())
        raise(ErrorKind::conflict, "instance_not_ready",
              fmt::format("the instance {} is {} and has no address yet", name, text_at(instance, "state")));
    session.console.out << url << "\n";
    return exit_ok;
}

}  // namespace

int connect(Session& session, const ConnectOptions& options) {
    if (options.print) return print_url(session, options.name);
    const auto connection = session.api.get(instance_path(options.name, "/connection"));
    if (session.print_raw(connection)) return exit_ok;
    session.console.out.flush();
    become_psql(connection, options.psql_arguments);
}

int rotate_password(Session& session, const RotatePasswordOptions& options) {
    const auto key = options.idempotency_key.empty() ? random_uuid() : options.idempotency_key;
    auto answer = session.api.send("POST", instance_path(options.name, "/rotate-password"), Json(), key);
    if (options.wait)
        answer["operation"] = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    if (session.print_raw(answer)) return exit_ok;
    if (options.wait)
        session.console.out << fmt::format("{} has a new password; see: toygres connect {}\n", options.name,
                                           options.name);
    else
        session.console.out << fmt::format(
            "{} gets a new password; see how it gets on:\n  toygres operation {} --wait\n", options.name,
            text_at(answer.at("operation"), "id"));
    return exit_ok;
}

}  // namespace toygres::cli
