// toygres-agent: PID 1 of the database pods.
#include "agent/agent.hpp"
#include "agent/endpoint.hpp"
#include "agent/install.hpp"
#include "agent/native.hpp"
#include "agent/promote.hpp"
#include "agent/reaper.hpp"
#include "base/log.hpp"
#include "base/time.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

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

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

int promote(std::chrono::milliseconds limit) {
    asio::io_context io;
    auto done = asio::co_spawn(io, promote_member(native_local_options(environment_of_this_process()), limit),
                               asio::use_future);
    io.run();
    value_or_raise(done.get());
    std::puts("promoted: set REPLICATION_ROLE=primary before this member is started again");
    return 0;
}

// Of a pod, unless no instance is named: then of the container that this is.
Options local_options(Options pod) {
    return pod.instance.empty() ? native_local_options(environment_of_this_process()) : std::move(pod);
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

void add_options(CLI::App& app, Options& o, bool required) {
    app.add_option("--instance", o.instance, "name of the instance in Kubernetes")
        ->envname("TOYGRES_INSTANCE")
        ->required(required);
    app.add_option("--member", o.member, "name of this member")->envname("TOYGRES_MEMBER")->required(required);
    app.add_option("--address", o.address, "address to listen on")->envname("POD_IP")->required(required);
    app.add_option("--namespace", o.ns, "namespace of the topology ConfigMap")->envname("POD_NAMESPACE");
    app.add_option("--data-dir", o.data_dir, "data directory, a sub-directory of the volume")
        ->envname("PGDATA")
        ->required(required);
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

// As the command line has them.
struct RunTexts {
    std::string stop_timeout = "50s";
    std::string hand_over_timeout = "20s";
    std::string lost_reign_timeout = "3s";
    std::string follow_timeout = "15s";
    std::vector<std::string> peer_addresses;
};

void add_limits(CLI::App& app, RunTexts& texts) {
    app.add_option("--stop-timeout", texts.stop_timeout, "limit of a stop, then it is immediate")
        ->capture_default_str();
    app.add_option("--follow-timeout", texts.follow_timeout,
                   "how long a replica may be stuck before its data is mended")
        ->capture_default_str();
}

void add_pod_options(CLI::App& app, RunTexts& texts) {
    app.add_option("--hand-over-timeout", texts.hand_over_timeout,
                   "how much of --stop-timeout a primary waits for a standby to take over")
        ->capture_default_str();
    app.add_option("--lost-reign-timeout", texts.lost_reign_timeout,
                   "--stop-timeout for a primary that another has replaced")
        ->capture_default_str();
    app.add_option("--peer-address", texts.peer_addresses,
                   "member=address, for every member whose name cannot be resolved")
        ->envname("TOYGRES_PEER_ADDRESSES")
        ->delimiter(',');
}

Options with_limits(Options options, const RunTexts& texts) {
    options.stop_timeout = duration_option("--stop-timeout", texts.stop_timeout);
    options.hand_over_timeout = duration_option("--hand-over-timeout", texts.hand_over_timeout);
    options.lost_reign_timeout = duration_option("--lost-reign-timeout", texts.lost_reign_timeout);
    options.follow_timeout = duration_option("--follow-timeout", texts.follow_timeout);
    return options;
}

int run_pod(Options options, const RunTexts& texts) {
    options.peer_addresses = parse_addresses(texts.peer_addresses);
    return run(with_limits(std::move(options), texts));
}

// 2 when the environment is not one to be obeyed: nothing was changed.
int run_native(const RunTexts& texts) {
    const auto settings = read_native_settings(environment_of_this_process(), host_name());
    if (!settings) {
        for (const auto& problem : settings.error())
            log::error("environment.refused",
                       {{"variable", problem.variable}, {"problem", problem.what}, {"remedy", problem.remedy}});
        return 2;
    }
    // What is started from here on need not know them.
    for (const char* name : {"POSTGRES_PASSWORD", "REPLICATION_PASSWORD"}) ::unsetenv(name);
    auto options = prepare_native(*settings, value_or_raise(find_binaries()));
    if (options) return run(with_limits(*std::move(options), texts));
    const auto& error = options.error();
    log::error("agent.refused", {{"code", error.code}, {"error", error.message}});
    return error.kind == ErrorKind::conflict || error.kind == ErrorKind::invalid ? 2 : 1;
}

struct CommandLine {
    CLI::App app{"toygres-agent: runs one PostgreSQL member as the topology says", "toygres-agent"};
    Options options;
    RunTexts texts;
    std::string directory;
    std::string promote_timeout = "60s";
    std::string log_level = "info";
    CLI::App* install = app.add_subcommand("install", "copy this program to a directory");
    CLI::App* run = app.add_subcommand("run", "be the agent");
    CLI::App* native = app.add_subcommand(
        "native", "be the agent without a control plane, by HA_MODE and its like; the default when HA_MODE is set");
    CLI::App* promote = app.add_subcommand("promote", "make the replica of this container the primary (native mode)");
    CLI::App* status = app.add_subcommand("status", "print what the agent of this pod sees, as JSON");
    CLI::App* probe = app.add_subcommand("probe", "is the member of this pod ready? exit code 0 or 1");

    CommandLine() {
        app.set_version_flag("--version", TOYGRES_VERSION);
        app.require_subcommand(1);
        install->add_option("directory", directory, "where to")->required();
        add_options(*run, options, true);
        add_pod_options(*run, texts);
        add_options(*status, options, false);
        add_options(*probe, options, false);
        promote->add_option("--timeout", promote_timeout, "how long to wait for it")->capture_default_str();
        for (auto* const command : {run, native}) {
            add_limits(*command, texts);
            command->add_option("--log-level", log_level, "debug, info, warning or error")->capture_default_str();
        }
    }
};

int obey(CommandLine& line) {
    auto& options = line.options;
    while (options.data_dir.size() > 1 && options.data_dir.ends_with('/')) options.data_dir.pop_back();
    if (!log::set_level(line.log_level))
        raise(ErrorKind::invalid, "bad_option", "--log-level: not a level: " + line.log_level);
    if (*line.install) return value_or_raise(install(line.directory)), 0;
    if (*line.native) return run_native(line.texts);
    if (*line.promote) return promote(duration_option("--timeout", line.promote_timeout));
    if (*line.status) return ask(local_options(std::move(options)), "/status");
    if (*line.probe) return ask(local_options(std::move(options)), "/readyz");
    return run_pod(std::move(options), line.texts);
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    try {
        // As an image's entrypoint.
        if (argc == 1 && std::getenv("HA_MODE") != nullptr) return run_native(line.texts);
        line.app.parse(argc, argv);
        return obey(line);
    } catch (const CLI::ParseError& e) {
        return line.app.exit(e) == 0 ? 0 : 2;
    } catch (...) {
        const auto error = current_error();
        log::error("agent.died", {{"code", error.code}, {"error", error.message}});
        return 1;
    }
}
