#include "agent_fixture.hpp"

#include "base/file.hpp"
#include "http/client.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <thread>
#include <unistd.h>

namespace toygres::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr uid_t pod_uid = 65534;  // when the tests run as root, which postgres refuses

template <class T> T run_here(asio::awaitable<T> work) {
    asio::io_context io;
    std::optional<T> out;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        REQUIRE_FALSE(e);
        out.emplace(std::move(value));
    });
    io.run();
    return *std::move(out);
}

Finished run(Command command) {
    auto done = run_here(run_command(std::move(command), {}, 60s));
    REQUIRE(done);
    return *std::move(done);
}

// A loopback address of this fixture's own.
std::string own_address() {
    static int count = 0;
    ++count;
    return fmt::format("127.9.{}.{}", static_cast<int>(::getpid() % 250), 1 + count % 250);
}

kube::InstanceSpec spec_of(const std::string& k8s_name) {
    kube::InstanceSpec spec{};
    spec.name = "db";
    spec.k8s_name = k8s_name;
    spec.ns = "test";
    spec.members = 1;
    return spec;
}

}  // namespace

bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < deadline) {
        if (holds()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

AgentFixture::AgentFixture(int ordinal) : AgentFixture(ordinal, std::nullopt) {}
AgentFixture::AgentFixture(int ordinal, const AgentFixture& first) : AgentFixture(ordinal, first.secrets) {}

AgentFixture::AgentFixture(int ordinal, std::optional<kube::InstanceSecrets> known)
    : member(fmt::format("db-0a1b2c3d-{}", ordinal)) {
    std::string pattern = "/tmp/toygres-agent-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    fs::permissions(root_, fs::perms(0755));
    options = {.instance = "db-0a1b2c3d",
               .member = member,
               .address = own_address(),
               .ns = "test",
               .data_dir = root_ + "/volume/pgdata",
               .socket_dir = root_ + "/socket",
               .private_dir = root_ + "/private",
               .superuser_dir = root_ + "/superuser",
               .replication_dir = root_ + "/replication",
               .tls_dir = root_ + "/tls",
               .topology_dir = root_ + "/topology",
               .api_dir = root_ + "/api"};
    for (const auto& directory : {options.volume(), options.socket_dir, options.private_dir, options.superuser_dir,
                                  options.replication_dir, options.tls_dir, options.topology_dir}) {
        fs::create_directory(directory);
        if (::geteuid() == 0) REQUIRE(::chown(directory.c_str(), pod_uid, pod_uid) == 0);
    }
    secrets = known ? *std::move(known) : kube::make_secrets(spec_of(options.instance), Secret(password));
    write(options.tls_dir + "/ca.crt", secrets.ca.certificate_pem);
    write(options.tls_dir + "/tls.crt", secrets.server.certificate_pem);
    write(options.tls_dir + "/tls.key", secrets.server.private_key_pem.reveal(), 0600);
    write(options.replication_dir + "/username", std::string(kube::replication_user));
    write(options.replication_dir + "/password", secrets.replication_password.reveal(), 0600);
    write_password(password);
    // As the init container does.
    REQUIRE(run({{std::string(TOYGRES_BINARY_DIR) + "/toygres-agent", "install", root_}}).status.ok());
}

AgentFixture::~AgentFixture() {
    if (agent_) {
        kill();
        // The agent's end is postgres's: its lock is free when the last process is gone.
        eventually([&] { return postmaster_pid() == 0 || ::kill(postmaster_pid(), 0) != 0; });
    }
    std::error_code e;
    fs::remove_all(root_, e);
}

void AgentFixture::write(const std::string& path, const std::string& content, int mode) {
    REQUIRE(write_file_atomically(path, content, static_cast<mode_t>(mode)));
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), pod_uid, pod_uid) == 0);
}

void AgentFixture::write_topology(const ha::Topology& topology) {
    write(options.topology_dir + "/topology.json", ha::format_topology(topology));
}

void AgentFixture::write_topology(std::int64_t epoch, const std::string& primary) {
    ha::Topology topology{epoch, ++revision_, primary, {}, std::nullopt};
    topology.members[member] = {};
    topology.members[primary] = {};
    write_topology(topology);
}

void AgentFixture::knows(const AgentFixture& other) {
    extra_arguments.push_back(fmt::format("--peer-address={}={}", other.member, other.options.address));
}

void AgentFixture::offer_api(const std::string& ca_pem, unsigned short port, const std::string& token) {
    fs::create_directory(options.api_dir);
    write(options.api_dir + "/ca.crt", ca_pem);
    write(options.api_dir + "/token", token);
    environment_ = {{"KUBERNETES_SERVICE_HOST", "127.0.0.1"}, {"KUBERNETES_SERVICE_PORT", std::to_string(port)}};
}

void AgentFixture::write_password(const std::string& text) { write(options.superuser_dir + "/password", text, 0600); }

std::vector<std::string> AgentFixture::as_pod_user(std::vector<std::string> argv) const {
    if (::geteuid() != 0) return argv;
    const auto id = std::to_string(pod_uid);
    std::vector<std::string> out{"setpriv",        "--reuid=" + id,    "--regid=" + id,
                                 "--clear-groups", "--pdeathsig=KILL", "--"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
}

std::vector<std::string> AgentFixture::option_arguments() const {
    return {"--instance=" + options.instance,
            "--member=" + options.member,
            "--address=" + options.address,
            "--namespace=" + options.ns,
            "--data-dir=" + options.data_dir,
            "--socket-dir=" + options.socket_dir,
            "--private-dir=" + options.private_dir,
            "--superuser-dir=" + options.superuser_dir,
            "--replication-dir=" + options.replication_dir,
            "--tls-dir=" + options.tls_dir,
            "--topology-dir=" + options.topology_dir,
            "--api-dir=" + options.api_dir};
}

void AgentFixture::start() {
    auto argv = as_pod_user({root_ + "/toygres-agent", "run", "--stop-timeout=20s"});
    for (auto& argument : option_arguments()) argv.push_back(std::move(argument));
    argv.insert(argv.end(), extra_arguments.begin(), extra_arguments.end());
    const int out = ::open((root_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(out >= 0);
    agent_ =
        std::make_unique<Child>(io_.get_executor(), Command{argv, environment_, {}, SIGKILL}, Streams{{}, out, out});
    ::close(out);
}

void AgentFixture::kill() {
    agent_->signal(SIGKILL);
    eventually([&] { return agent_->poll().has_value(); });
    end_clone_orphans();
}

// As the end of a pod's PID namespace does: pg_basebackup's child, which receives the WAL, outlives it.
void AgentFixture::end_clone_orphans() const {
    std::error_code e;
    for (const auto& entry : fs::directory_iterator("/proc", e)) {
        const auto arguments = read_file(entry.path().string() + "/cmdline").value_or("");
        if (arguments.contains("--pgdata=" + options.data_dir + ".new-"))
            ::kill(std::atoi(entry.path().filename().c_str()), SIGKILL);
    }
}

ExitStatus AgentFixture::stop() {
    agent_->signal(SIGTERM);
    const bool ended = eventually([&] { return agent_->poll().has_value(); });
    INFO(log());
    REQUIRE(ended);
    return *agent_->poll();
}

bool AgentFixture::running() { return agent_ && !agent_->poll(); }

pid_t AgentFixture::postmaster_pid() const {
    return std::atoi(read_file(options.data_dir + "/postmaster.pid").value_or("0").c_str());
}

std::optional<http::Response> AgentFixture::get(const std::string& path, bool with_certificate) {
    http::ClientTls tls{.ca_pem = secrets.ca.certificate_pem, .server_name = options.instance};
    if (with_certificate) {
        tls.certificate_pem = secrets.client.certificate_pem;
        tls.private_key_pem = secrets.client.private_key_pem.reveal();
    }
    asio::io_context io;
    http::Client client(io.get_executor(), {.base_url = fmt::format("https://{}:8443", options.address), .tls = tls});
    std::optional<http::Response> out;
    asio::co_spawn(io, client.send({"GET", path, {}, {}, {}}, 20s),
                   [&](std::exception_ptr e, Result<http::Response> r) {
                       REQUIRE_FALSE(e);
                       if (r) out = *std::move(r);
                       io.stop();
                   });
    io.run();
    return out;
}

std::optional<ha::AgentStatus> AgentFixture::status() {
    const auto response = get("/status", true);
    if (!response || response->status != 200) return std::nullopt;
    return decode<ha::AgentStatus>(*parse_json(response->body));
}

ha::AgentStatus AgentFixture::wait_for(const std::string& what,
                                       const std::function<bool(const ha::AgentStatus&)>& holds) {
    std::optional<ha::AgentStatus> last;
    const bool came = eventually([&] {
        last = status();
        return last && holds(*last);
    });
    INFO("waited for: " << what << "\nlast: " << (last ? encode(*last).dump() : "no answer") << "\n" << log());
    REQUIRE(came);
    return *last;
}

ha::AgentStatus AgentFixture::wait_ready() {
    return wait_for("ready", [](const ha::AgentStatus& s) { return s.ready; });
}

Command AgentFixture::psql_command(const std::string& sql, const std::string& with_password,
                                   const std::string& sslmode) const {
    return {{"/usr/bin/env", "psql", "-XAtq", "-c", sql},
            {{"PGHOST", options.instance},
             {"PGHOSTADDR", options.address},
             {"PGUSER", "postgres"},
             {"PGDATABASE", "postgres"},
             {"PGPASSWORD", with_password},
             {"PGSSLMODE", sslmode},
             {"PGSSLROOTCERT", options.tls_dir + "/ca.crt"},
             {"PGCONNECT_TIMEOUT", "10"}}};
}

Finished AgentFixture::psql(const std::string& sql, const std::string& with_password, const std::string& sslmode) {
    return run(psql_command(sql, with_password, sslmode));
}

std::unique_ptr<Child> AgentFixture::begin_psql(const std::string& sql) {
    return std::make_unique<Child>(io_.get_executor(), psql_command(sql, password, "verify-full"));
}

Finished AgentFixture::agent_command(const std::string& name) {
    auto argv = as_pod_user({root_ + "/toygres-agent", name});
    for (auto& argument : option_arguments()) argv.push_back(std::move(argument));
    return run({argv});
}

std::string AgentFixture::log() const { return read_file(root_ + "/log").value_or(""); }

std::string AgentFixture::note() const { return read_file(options.volume() + "/.toygres.note").value_or(""); }

std::vector<std::string> AgentFixture::unfinished() const {
    std::vector<std::string> out;
    std::error_code e;
    for (const auto& entry : fs::directory_iterator(options.volume(), e))
        if (entry.path().filename().string().starts_with("pgdata.new-")) out.push_back(entry.path().string());
    return out;
}

}  // namespace toygres::test
