#include "fleet/control_plane.hpp"

#include "base/file.hpp"
#include "cms/migrator.hpp"
#include "cms/tokens.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace toygres::bench {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* schema = "toygres_cms";
constexpr const char* listen_at = "127.0.0.1:8080";  // the network is this benchmark's own
constexpr std::size_t requests_max = 1'000;

asio::awaitable<std::string> make_token(std::string conninfo) {
    auto connection = value_or_raise(co_await pg::Connection::connect(conninfo, schema, "bench_fleet", 10s));
    co_return value_or_raise(
        co_await cms::create_token(*connection, {.name = "bench", .role = "admin", .owner = {}, .expires_at = {}}))
        .reveal();
}

double ms_since(SteadyClock::time_point began) {
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - began).count();
}

}  // namespace

ControlPlane::ControlPlane(ControlPlaneOptions options)
    : options_(std::move(options)),
      http_(io.get_executor(), {.base_url = fmt::format("http://{}", listen_at), .connections_max = requests_max}) {
    value_or_raise(cms::migrate(options_.conninfo, schema));
    token_ = test::run(make_token(options_.conninfo));
    start();
    wait_ready();
}

ControlPlane::~ControlPlane() { kill(); }

void ControlPlane::start() {
    const auto key = options_.directory + "/seal.key";
    const auto log = options_.directory + "/server.log";
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = ::open(log.c_str(), O_CREAT | O_APPEND | O_WRONLY, 0640);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::execl(options_.program.c_str(), "toygres", "server", "--database-url", options_.conninfo.c_str(), "--kubeconfig",
            options_.kubeconfig.c_str(), "--listen", listen_at, "--seal-key-file", key.c_str(), "--name", "bench",
            nullptr);
    ::_exit(127);
}

void ControlPlane::kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string ControlPlane::end_of_log() const {
    const auto log = read_file(options_.directory + "/server.log").value_or("");
    return log.substr(log.size() - std::min<std::size_t>(log.size(), 1'000));
}

void ControlPlane::require_alive() const {
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) return;
    raise(ErrorKind::internal, "server_ended", "the server has ended; the end of its log:\n" + end_of_log());
}

void ControlPlane::wait_ready() {
    for (const auto deadline = SteadyClock::now() + 60s;;) {
        const auto answer = test::run(io, http_.send({.method = "GET", .target = "/readyz"}, 1s));
        if (answer && answer->status == 200) return;
        require_alive();
        if (SteadyClock::now() > deadline)
            raise(ErrorKind::timeout, "server_not_ready",
                  "the server does not get ready; the end of its log:\n" + end_of_log());
        std::this_thread::sleep_for(20ms);
    }
}

double ControlPlane::live_orchestrations() {
    io.restart();
    const auto answer = test::run(io, http_.send({.method = "GET", .target = "/metrics"}, 10s));
    constexpr std::string_view name = "\ntoygres_runtime_live_orchestrations ";
    const auto at = answer ? answer->body.find(name) : std::string::npos;
    return at == std::string::npos ? 0 : std::strtod(answer->body.c_str() + at + name.size(), nullptr);
}

asio::awaitable<Result<http::Response>> ControlPlane::call(std::string method, std::string target, Json body) {
    http::Request request{
        .method = std::move(method), .target = std::move(target), .headers = {{"Authorization", "Bearer " + token_}}};
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = body.dump();
    }
    co_return co_await http_.send(std::move(request), 120s);
}

asio::awaitable<void> ControlPlane::create_one(std::string name, std::string check_interval, double& took_ms) {
    const auto began = SteadyClock::now();
    const auto answer = value_or_raise(co_await call(
        "POST", "/api/v1/instances",
        {{"name", name}, {"storage_size_gb", 1}, {"postgres_version", "17"}, {"check_interval", check_interval}}));
    took_ms = ms_since(began);
    if (answer.status != 202)
        raise(ErrorKind::internal, "api_refused",
              fmt::format("the creation of {} gave {}: {}", name, answer.status, answer.body));
}

std::vector<double> ControlPlane::create(const std::vector<std::string>& names, const std::string& check_interval,
                                         std::size_t at_once_max) {
    std::vector<double> took_ms(names.size());
    std::size_t next = 0;
    std::size_t left = names.size();
    std::exception_ptr failure;
    std::function<void()> begin_next = [&] {
        if (next == names.size() || failure) return;
        const auto n = next++;
        asio::co_spawn(io, create_one(names[n], check_interval, took_ms[n]), [&](std::exception_ptr e) {
            if (e) failure = e;
            --left;
            begin_next();
        });
    };
    for (std::size_t n = 0; n < at_once_max; ++n) begin_next();
    io.restart();
    while (left > 0 && !failure) io.run_one();
    if (failure) std::rethrow_exception(failure);
    return took_ms;
}

asio::awaitable<void> ControlPlane::knock(std::string target, std::chrono::milliseconds pause, const bool& stop,
                                          std::vector<double>& took_ms) {
    asio::steady_timer timer(io);
    while (!stop) {
        const auto began = SteadyClock::now();
        const auto answer = co_await call("GET", target, nullptr);
        if (answer && answer->status == 200) took_ms.push_back(ms_since(began));
        timer.expires_after(pause);
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::bench
