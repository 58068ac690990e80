// toygres-agent: PID 1 of the database pods.
#include "agent/agent.hpp"
#include "agent/endpoint.hpp"
#include "agent/install.hpp"
#include "agent/reaper.hpp"
#include "base/log.hpp"
#include "base/time.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

namespace {

using namespace toygres;
using namespace toygres::agent;

asio::awaitable<void> live(Agent& agent, Endpoint& endpoint, asio::io_context& io) {
    co_await agent.run();
    co_await endpoint.stop();
    io.stop();
}

int run(Options options) {
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context io(1);
    auto binaries = value_or_raise(find_binaries());
    log::info("agent.started",
              {{"version", TOYGRES_VERSION}, {"member", options.member}, {"postgres", binaries.major}});
    Agent agent(io, std::move(options), std::move(binaries));
    Endpoint endpoint(io, agent);
    endpoint.start();
    start_reaper(io);
    asio::signal_set stop(io, SIGTERM, SIGINT);
    stop.async_wait([&agent](boost::system::error_code e, int) {
        if (!e) agent.request_stop();
    });
    std::exception_ptr failure;
    asio::co_spawn(io, live(agent, endpoint, io), [&](std::exception_ptr e) {
        failure = e;
        if (e) io.stop();
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    log::info("agent.ended");
    return 0;
}

// Prints the answer; 0 for a 2xx.
int ask(Options options, std::string path) {
    asio::io_context io(1);
    auto answer = asio::co_spawn(io, ask_local_agent(std::move(options), std::move(path)), asio::use_future);
    io.run();
    const auto response = value_or_raise(answer.get());
    std::fputs(response.body.c_str(), stdout);
    return response.status / 100 == 2 ? 0 : 1;
}

void add_options(CLI::App& app, Options& o) {
    app.add_option("--instance", o.instance, "name of the instance in Kubernetes")
        ->envname("TOYGRES_INSTANCE")
        ->required();
    app.add_option("--member", o.member, "name of this member")->envname("TOYGRES_MEMBER")->required();
    app.add_option("--address", o.address, "address to listen on")->envname("POD_IP")->required();
    app.add_option("--namespace", o.ns, "namespace of the topology ConfigMap")->envname("POD_NAMESPACE");
    app.add_option("--data-dir", o.data_dir, "data directory, a sub-directory of the volume")
        ->envname("PGDATA")
        ->required();
    app.add_option("--socket-dir", o.socket_dir, "directory of the unix socket")->capture_default_str();
    app.add_option("--private-dir", o.private_dir, "directory for configuration and keys")->capture_default_str();
    app.add_option("--superuser-dir", o.superuser_dir, "Secret of the superuser")->capture_default_str();
    app.add_option("--replication-dir", o.replication_dir, "Secret of the replication role")->capture_default_str();
    app.add_option("--tls-dir", o.tls_dir, "TLS Secret")->capture_default_str();
    app.add_option("--topology-dir", o.topology_dir, "topology ConfigMap")->capture_default_str();
    app.add_option("--api-dir", o.api_dir, "token and CA of the Kubernetes API")->capture_default_str();
    app.add_option("--postgres-port", o.postgres_port, "port of postgres")->capture_default_str();
    app.add_option("--agent-port", o.agent_port, "port of the agent")->capture_default_str();
}

// "member=address"
std::map<std::string, std::string> parse_addresses(const std::vector<std::string>& texts) {
    std::map<std::string, std::string> out;
    for (const auto& text : texts) {
        const auto at = text.find('=');
        if (at == std::string::npos)
            raise(ErrorKind::invalid, "bad_option", "--peer-address: not member=address: " + text);
        out[text.substr(0, at)] = text.substr(at + 1);
    }
    return out;
}

std::chrono::milliseconds duration_option(const char* name, const std::string& text) {
    const auto value = parse_duration(text);
    if (!value) raise(ErrorKind::invalid, "bad_option", fmt::format("{}: not a duration: {}", name, text));
    return *value;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("toygres-agent: runs one PostgreSQL member as the topology says", "toygres-agent");
    app.set_version_flag("--version", TOYGRES_VERSION);
    app.require_subcommand(1);
    Options options;
    std::string directory;
    std::string stop_timeout = "50s";
    std::string lost_reign_timeout = "3s";
    std::string follow_timeout = "15s";
    std::vector<std::string> peer_addresses;
    std::string log_level = "info";
    auto* const install_command = app.add_subcommand("install", "copy this program to a directory");
    install_command->add_option("directory", directory, "where to")->required();
    auto* const run_command = app.add_subcommand("run", "be the agent");
    add_options(*run_command, options);
    run_command->add_option("--stop-timeout", stop_timeout, "limit of a fast shutdown, then it is immediate")
        ->capture_default_str();
    run_command
        ->add_option("--lost-reign-timeout", lost_reign_timeout, "the same for a primary that another has replaced")
        ->capture_default_str();
    run_command
        ->add_option("--follow-timeout", follow_timeout, "how long a replica may be stuck before its data is mended")
        ->capture_default_str();
    run_command
        ->add_option("--peer-address", peer_addresses, "member=address, for every member whose name cannot be resolved")
        ->envname("TOYGRES_PEER_ADDRESSES")
        ->delimiter(',');
    run_command->add_option("--log-level", log_level, "debug, info, warning or error")->capture_default_str();
    auto* const status_command = app.add_subcommand("status", "print what the agent of this pod sees, as JSON");
    add_options(*status_command, options);
    auto* const probe_command = app.add_subcommand("probe", "is the member of this pod ready? exit code 0 or 1");
    add_options(*probe_command, options);
    try {
        app.parse(argc, argv);
        if (*install_command) {
            value_or_raise(install(directory));
            return 0;
        }
        while (options.data_dir.size() > 1 && options.data_dir.ends_with('/')) options.data_dir.pop_back();
        if (*status_command) return ask(std::move(options), "/status");
        if (*probe_command) return ask(std::move(options), "/readyz");
        options.stop_timeout = duration_option("--stop-timeout", stop_timeout);
        options.lost_reign_timeout = duration_option("--lost-reign-timeout", lost_reign_timeout);
        options.follow_timeout = duration_option("--follow-timeout", follow_timeout);
        options.peer_addresses = parse_addresses(peer_addresses);
        if (!log::set_level(log_level))
            raise(ErrorKind::invalid, "bad_option", "--log-level: not a level: " + log_level);
        return run(std::move(options));
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    } catch (...) {
        const auto error = current_error();
        log::error("agent.died", {{"code", error.code}, {"error", error.message}});
        return 1;
    }
}
