#include "app/up.hpp"

#include "app/embedded_cms.hpp"
#include "app/state_dir.hpp"
#include "base/asio.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "cms/migrator.hpp"
#include "cms/tokens.hpp"
#include "http/client.hpp"
#include "localkube/cluster.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace toygres::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string own_path() { return fs::read_symlink("/proc/self/exe").string(); }

// One line per part, with the time that it took.
class Progress {
  public:
    void begin(const std::string& what) {
        began_ = std::chrono::steady_clock::now();
        fmt::print("  {:<46}", what + " …");
        std::fflush(stdout);
    }
    void done(const std::string& detail = "ready") {
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
        fmt::print("{} ({})\n", detail, format_duration(took));
        std::fflush(stdout);
    }

  private:
    std::chrono::steady_clock::time_point began_;
};

// A process of its own session, whose output goes to a file; its pid.
pid_t spawn_daemon(const std::vector<std::string>& argv, const std::string& log) {
    const pid_t pid = ::fork();
    if (pid < 0) raise(ErrorKind::internal, "spawn_failed", "cannot fork");
    if (pid > 0) return pid;
    ::setsid();
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0640);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::close_range(3, ~0U, 0);
    std::vector<char*> args;
    for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
    args.push_back(nullptr);
    ::execv(args[0], args.data());
    ::_exit(127);
}

bool port_is_free(unsigned short port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool ok = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
}

unsigned short choose_port(const StateDir& state, unsigned short wanted) {
    if (wanted != 0) {
        if (!port_is_free(wanted))
            raise(ErrorKind::invalid, "port_taken",
                  fmt::format("port {} is in use; choose another with --port", wanted));
        return wanted;
    }
    if (const auto text = read_file(state.cli_config()))
        if (const auto json = parse_json(*text); json && json->contains("port"))
            if (const auto last = json->at("port").get<unsigned short>(); port_is_free(last)) return last;
    for (unsigned short port = 8080; port < 8180; ++port)
        if (port_is_free(port)) return port;
    raise(ErrorKind::invalid, "no_port", "no port from 8080 to 8179 is free; choose one with --port");
}

// Waits until GET `path` gives 200, the process ended, or the time is up.
void wait_until_ready(const std::string& url, const std::string& path, pid_t pid, const std::string& log,
                      std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        asio::io_context io;
        http::Client client(io.get_executor(), {.base_url = url});
        bool ready = false;
        asio::co_spawn(
            io,
            [](http::Client& c, std::string target, bool& out) -> asio::awaitable<void> {
                const auto response = co_await c.send({.method = "GET", .target = std::move(target)}, 2s);
                out = response && response->status == 200;
            }(client, path, ready),
            asio::detached);
        io.run();
        if (ready) return;
        int status = 0;
        const bool ended = ::waitpid(pid, &status, WNOHANG) == pid || !localkube::identify_process(pid);
        if (ended || std::chrono::steady_clock::now() > deadline) {
            auto tail = read_file(log).value_or("");
            if (tail.size() > 800) tail = tail.substr(tail.size() - 800);
            raise(ErrorKind::internal, "not_started",
                  fmt::format("{}; the end of {}:\n{}", ended ? "the process ended" : "it does not get ready", log,
                              tail));
        }
        std::this_thread::sleep_for(50ms);
    }
}

void start_cluster(const StateDir& state, const std::string& agent, Progress& progress) {
    progress.begin("Kubernetes (embedded)");
    if (localkube::running_cluster(state.cluster())) return progress.done("runs already");
    const auto pid =
        spawn_daemon({own_path(), "cluster", "--state-dir", state.cluster(), "--agent", agent}, state.log("cluster"));
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!fs::exists(state.kubeconfig()) || !localkube::running_cluster(state.cluster())) {
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) == pid || std::chrono::steady_clock::now() > deadline)
            raise(ErrorKind::internal, "cluster_not_started",
                  fmt::format("the embedded cluster did not start; see {}\n{}", state.log("cluster"),
                              read_file(state.log("cluster")).value_or("")));
        std::this_thread::sleep_for(20ms);
    }
    progress.done();
}

// The first token: made once, kept in the state directory for the command line.
void ensure_token(const StateDir& state, const std::string& conninfo) {
    if (fs::exists(state.token())) return;
    value_or_raise(cms::migrate(conninfo, "toygres_cms"));
    asio::io_context io;
    Result<Secret> token;
    asio::co_spawn(
        io,
        [](std::string where, Result<Secret>& out) -> asio::awaitable<void> {
            auto connection = co_await pg::Connection::connect(where, "toygres_cms", "toygres up", 10s);
            if (!connection)
                out = std::unexpected(connection.error());
            else
                out = co_await cms::create_token(**connection, {.name = fmt::format("up-{}", format_rfc3339(now())),
                                                                .role = "admin",
                                                                .owner = "up",
                                                                .expires_at = std::nullopt});
        }(conninfo, token),
        asio::detached);
    io.run();
    value_or_raise(write_file_atomically(state.token(), value_or_raise(std::move(token)).reveal() + "\n", 0600));
}

void start_server(const StateDir& state, const EmbeddedCms& cms, unsigned short wanted_port, Progress& progress) {
    progress.begin("toygres server");
    if (state.running("server")) return progress.done("runs already");
    ensure_token(state, cms.conninfo());
    const auto port = choose_port(state, wanted_port);
    const auto url = fmt::format("http://127.0.0.1:{}", port);
    const auto pid =
        spawn_daemon({own_path(), "server", "--database-url", cms.conninfo(), "--kubeconfig", state.kubeconfig(),
                      "--listen", fmt::format("127.0.0.1:{}", port), "--seal-key-file", state.seal_key(),
                      "--postgres-versions", fmt::format("{}", fmt::join(EmbeddedCms::installed_majors(), ","))},
                     state.log("server"));
    state.remember("server", pid);
    value_or_raise(write_file_atomically(
        state.cli_config(),
        Json({{"api_url", url}, {"port", port}, {"token_file", state.token()}, {"kubeconfig", state.kubeconfig()}})
                .dump(2) +
            "\n",
        0600));
    wait_until_ready(url, "/readyz", pid, state.log("server"), 60s);
    progress.done(url);
}

std::string agent_of(const UpConfig& config) {
    const auto path =
        config.agent_path.empty() ? (fs::path(own_path()).parent_path() / "toygres-agent").string() : config.agent_path;
    if (!fs::exists(path))
        raise(ErrorKind::not_found, "no_agent", fmt::format("{} is missing; give its place with --agent", path));
    return fs::canonical(path).string();
}

int report(const Error& error) {
    fmt::print(stderr, "\ntoygres: {}\n", error.message);
    return 1;
}

}  // namespace

int run_up(const UpConfig& config) {
    try {
        const StateDir state(config.state_dir);
        const auto agent = agent_of(config);
        Progress progress;
        fmt::print("Starting toygres in {}\n", state.path());
        progress.begin("CMS (PostgreSQL)");
        EmbeddedCms cms(state.cms());
        value_or_raise(cms.start());
        progress.done();
        start_cluster(state, agent, progress);
        start_server(state, cms, config.port, progress);
        fmt::print(
            "\nReady. Next:\n"
            "  toygres create mydb --wait      make a PostgreSQL instance\n"
            "  toygres connect mydb            open psql on it\n"
            "  toygres list                    see what there is\n"
            "  export KUBECONFIG={}\n"
            "  kubectl get all                 see what Kubernetes runs\n"
            "  toygres down                    stop everything (instances keep their data)\n",
            state.kubeconfig());
        return 0;
    } catch (...) {
        return report(current_error());
    }
}

int run_down(const DownConfig& config) {
    try {
        if (!fs::exists(config.state_dir)) {
            fmt::print("Nothing runs in {}\n", config.state_dir);
            return 0;
        }
        const StateDir state(config.state_dir);
        Progress progress;
        progress.begin("toygres server");
        if (const auto server = state.running("server")) {
            localkube::signal_process(*server, SIGTERM);
            const auto deadline = std::chrono::steady_clock::now() + 15s;
            while (localkube::identify_process(server->pid) == server) {
                if (std::chrono::steady_clock::now() > deadline) localkube::signal_process(*server, SIGKILL);
                std::this_thread::sleep_for(20ms);
            }
        }
        state.forget("server");
        progress.done("stopped");
        progress.begin("Kubernetes (embedded) and its pods");
        value_or_raise(localkube::end_cluster(state.cluster(), true));
        progress.done("stopped");
        progress.begin("CMS (PostgreSQL)");
        value_or_raise(EmbeddedCms(state.cms()).stop());
        progress.done("stopped");
        if (config.purge) {
            fs::remove_all(state.path());
            fmt::print("Removed {}\n", state.path());
        }
        return 0;
    } catch (...) {
        return report(current_error());
    }
}

}  // namespace toygres::app
