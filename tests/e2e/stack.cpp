#include "stack.hpp"

#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "http/client.hpp"
#include "kube/client.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace toygres::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Ran shell(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "re");
    if (pipe == nullptr) return {127, "no shell"};
    std::string output;
    char buffer[4096];
    while (const auto n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
    const int status = ::pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), output};
}

bool eventually(const std::function<bool()>& condition, int seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

namespace {

// TOYGRES_TEST_PROGRAMS: programs that another build made.
std::string program_directory() {
    const char* elsewhere = std::getenv("TOYGRES_TEST_PROGRAMS");
    return elsewhere == nullptr ? TOYGRES_BINARY_DIR : elsewhere;
}

// One that the kernel gives out: of two suites that look for a free one at the same moment, each finds its own.
int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

}  // namespace

std::string operation_of(const http::Response& response) {
    return parse_json(response.body).value().at("operation").at("id").get<std::string>();
}

Stack::Stack()
    : directory((fs::temp_directory_path() / ("toygres-e2e-" + random_hex(8))).string()),
      binaries(program_directory()) {
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all | fs::perms::others_exec | fs::perms::group_exec);
}

Stack::~Stack() {
    for (const auto pid : extra_) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    shell(fmt::format("{}/toygres down --state-dir {} --purge", binaries, directory));
    std::error_code ignored;
    fs::remove_all(directory, ignored);
}

std::string Stack::environment() const {
    return fmt::format("TOYGRES_STATE_DIR={} KUBECONFIG={} NO_COLOR=1 {}", directory, kubeconfig(), environment_more);
}

std::string Stack::api_url() const {
    return parse_json(read_file(directory + "/cli.json").value()).value().at("api_url").get<std::string>();
}

std::string Stack::token() const {
    auto token = read_file(directory + "/token").value();
    while (token.ends_with('\n')) token.pop_back();
    return token;
}

std::string Stack::kubeconfig() const { return directory + "/cluster/kubeconfig"; }

std::string Stack::database() const { return fmt::format("host={}/cms user=toygres dbname=postgres", directory); }

void Stack::up(const std::string& crash_at) {
    // It keeps the port that it had.
    const auto port = fs::exists(directory + "/cli.json") ? "" : fmt::format("--port {}", free_port());
    const auto ran = shell(fmt::format("{} {} {}/toygres up {}", environment(),
                                       crash_at.empty() ? "" : "TOYGRES_CRASH_AT=" + crash_at, binaries, port));
    INFO(ran.output);
    REQUIRE(ran.code == 0);
}

Ran Stack::cli(const std::string& arguments) const {
    return shell(fmt::format("{} {}/toygres {}", environment(), binaries, arguments));
}

http::Response Stack::send(const std::string& url, http::Request request, std::chrono::milliseconds patience) const {
    if (!request.headers.has("Authorization")) request.headers.set("Authorization", "Bearer " + token());
    asio::io_context io;
    http::Client client(io.get_executor(), {.base_url = url});
    auto response = run(io, client.send(std::move(request), patience));
    if (response) return *std::move(response);
    return {0, {}, response.error().message};
}

http::Response Stack::call_text(const std::string& method, const std::string& target, std::string body,
                                http::Headers headers) const {
    return send(api_url(), {.method = method, .target = target, .headers = std::move(headers), .body = std::move(body)},
                30s);
}

http::Response Stack::call_at(const std::string& url, const std::string& method, const std::string& target,
                              const Json& body, std::chrono::milliseconds patience) const {
    http::Request request{.method = method, .target = target, .headers = {}, .body = body.is_null() ? "" : body.dump()};
    if (!body.is_null()) request.headers.set("Content-Type", "application/json");
    return send(url, std::move(request), patience);
}

http::Response Stack::call(const std::string& method, const std::string& target, const Json& body,
                           http::Headers headers) const {
    if (!body.is_null() && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
    return call_text(method, target, body.is_null() ? "" : body.dump(), std::move(headers));
}

int Stack::server_pid() const {
    return parse_json(read_file(directory + "/server.pid").value()).value().at("pid").get<int>();
}

bool Stack::server_runs() const {
    const auto stat = read_file(fmt::format("/proc/{}/stat", server_pid()));
    return stat && !stat->contains(") Z ");
}

void Stack::signal_server(int number) const { REQUIRE(::kill(server_pid(), number) == 0); }

void Stack::wait_for_death() const {
    REQUIRE(eventually([&] { return !server_runs(); }));
}

Stack::Extra Stack::start_extra_server(const ExtraOptions& options) { return start_server(free_port(), options); }

Stack::Extra Stack::start_server(int port, const ExtraOptions& options) {
    const auto program = binaries + "/toygres";
    const auto conninfo = options.database_url.empty() ? database() : options.database_url;
    const auto listen = fmt::format("127.0.0.1:{}", port);
    const auto access = options.kubeconfig.empty() ? kubeconfig() : options.kubeconfig;
    const auto key = directory + "/seal.key";
    const auto major = read_file(directory + "/cms/data/PG_VERSION").value().substr(0, 2);
    const int pid = ::fork();
    if (pid == 0) {
        std::freopen((directory + "/extra.log").c_str(), "a", stderr);
        for (const auto& variable : options.environment) ::putenv(::strdup(variable.c_str()));
        ::execl(program.c_str(), "toygres", "server", "--database-url", conninfo.c_str(), "--kubeconfig",
                access.c_str(), "--listen", listen.c_str(), "--seal-key-file", key.c_str(), "--postgres-versions",
                major.c_str(), nullptr);
        ::_exit(127);
    }
    extra_.push_back(pid);
    return {pid, "http://" + listen};
}

Stack::StandIn::StandIn(Stack& stack, const ExtraOptions& options) : stack_(stack) {
    stack_.signal_server(SIGKILL);
    stack_.wait_for_death();
    const auto port = parse_json(read_file(stack_.directory + "/cli.json").value()).value().at("port").get<int>();
    pid_ = stack_.start_server(port, options).pid;
    REQUIRE(eventually([&] { return stack_.call("GET", "/readyz").status == 200; }));
}

Stack::StandIn::~StandIn() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::erase(stack_.extra_, pid_);
    stack_.up();
}

int Stack::cms_pid() const { return std::atoi(read_file(directory + "/cms/data/postmaster.pid").value().c_str()); }

int Stack::cluster_pid() const {
    return parse_json(read_file(directory + "/cluster/cluster.pid").value()).value().at("pid").get<int>();
}

void Stack::restart_cms(const std::string& mode) const { control_cms("-m " + mode + " restart"); }
void Stack::stop_cms() const { control_cms("-m immediate stop"); }
void Stack::start_cms() const {
    control_cms(fmt::format(
        "-o \"-c listen_addresses='' -c unix_socket_directories='{}/cms' -c max_connections=200\" start", directory));
}

void Stack::control_cms(const std::string& action) const {
    const auto user = ::geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --init-groups -- " : "";
    const auto major = read_file(directory + "/cms/data/PG_VERSION").value().substr(0, 2);
    const auto ran = shell(
        fmt::format("cd / && {}/usr/lib/postgresql/{}/bin/pg_ctl -D {}/cms/data -w -t 60 -l {}/cms/postgres.log {}",
                    user, major, directory, directory, action));
    INFO(ran.output);
    REQUIRE(ran.code == 0);
}

pqxx::result Stack::sql(const std::string& query) const {
    pqxx::connection connection(database() + " options='-c search_path=toygres_cms'");
    pqxx::work work(connection);
    auto result = work.exec(query);
    work.commit();
    return result;
}

std::string Stack::value(const std::string& query) const {
    const auto result = sql(query);
    return result.empty() || result[0][0].is_null() ? "" : result[0][0].as<std::string>();
}

std::string Stack::broken_invariants() const {
    std::string out;
    for (const auto& row : sql("SELECT violation, subject FROM v_invariants"))
        out += fmt::format("{}: {}\n", row[0].as<std::string>(), row[1].as<std::string>());
    return out;
}

std::vector<std::string> Stack::objects() const {
    asio::io_context io;
    kube::Client client(io.get_executor(), kube::load_kubeconfig(kubeconfig()).value());
    std::vector<std::string> out;
    for (const auto& kind : kube::swept_kinds()) {
        const auto listing =
            run(io, client.list(kube::resource(kind, "toygres", ""), {.labels = kube::managed_selector()}));
        REQUIRE(listing);
        for (const auto& object : listing->items) out.push_back(kind + " " + kube::text_at(object, "/metadata/name"));
    }
    return out;
}

std::vector<std::string> Stack::volumes() const {
    std::vector<std::string> out;
    std::error_code ec;
    for (const auto& ns : fs::directory_iterator(directory + "/cluster/volumes", ec))
        for (const auto& claim : fs::directory_iterator(ns.path(), ec)) out.push_back(claim.path().filename().string());
    return out;
}

std::string Stack::create(const std::string& name, Json more) const {
    more["name"] = name;
    if (!more.contains("replication") && !more.contains("standbys") && !more.contains("replication_mode") &&
        !more.contains("durability"))
        more["replication"] = false;
    const auto response = call("POST", "/api/v1/instances", more);
    INFO(response.body);
    REQUIRE(response.status == 202);
    return operation_of(response);
}

std::string Stack::remove(const std::string& name) const {
    const auto response = call("DELETE", "/api/v1/instances/" + name);
    INFO(response.body);
    REQUIRE(response.status == 202);
    return operation_of(response);
}

Json Stack::wait_operation(const std::string& id, int seconds) const {
    Json last;
    const bool ended = eventually(
        [&] {
            const auto response = call("GET", "/api/v1/operations/" + id);
            if (response.status != 200) return false;
            last = parse_json(response.body).value();
            return last.at("state") != "running";
        },
        seconds);
    INFO(last.dump());
    REQUIRE(ended);
    return last;
}

bool Stack::can_connect(const std::string& name) const {
    const auto response = call("GET", "/api/v1/instances/" + name + "/connection");
    if (response.status != 200) return false;
    const auto connection = parse_json(response.body).value();
    const auto ran =
        shell(fmt::format("PGPASSWORD={} psql -X -At 'host={} port=5432 user=postgres dbname=postgres sslmode=require' "
                          "-c 'SELECT 41 + 1'",
                          connection.at("password").get<std::string>(), connection.at("host").get<std::string>()));
    return ran.code == 0 && ran.output.contains("42");
}

}  // namespace toygres::test
