#include "native_fixture.hpp"

#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace toygres::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr uid_t pod_uid = 65534;  // when the tests run as root, which postgres refuses

Finished run(Command command) {
    asio::io_context io;
    auto done = asio::co_spawn(io, run_command(std::move(command), {}, 90s), asio::use_future);
    io.run();
    const auto finished = done.get();
    REQUIRE(finished);
    return *finished;
}

std::string make_root() {
    std::string pattern = "/tmp/toygres-native-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    fs::permissions(pattern, fs::perms(0755));
    return pattern;
}

void give_to_pod_user(const std::string& path) {
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), pod_uid, pod_uid) == 0);
}

// A loopback address of this node's own.
std::string own_address() {
    static int count = 0;
    ++count;
    return fmt::format("127.10.{}.{}", static_cast<int>(::getpid() % 250), 1 + count % 250);
}

}  // namespace

NativeNode::NativeNode(const std::string& name) : root(make_root()) {
    for (const char* directory : {"/volume", "/socket", "/private"}) {
        fs::create_directory(root + directory);
        give_to_pod_user(root + directory);
    }
    put("/secrets/superuser", native_password + "\n");
    put("/secrets/replication", native_replication_password + "\n");
    environment = {{"HA_MODE", "native"},
                   {"NODE_NAME", name},
                   {"PGDATA", data_dir},
                   {"LISTEN_ADDRESS", own_address()},
                   {"SOCKET_DIR", root + "/socket"},
                   {"PRIVATE_DIR", root + "/private"},
                   {"POSTGRES_PASSWORD_FILE", root + "/secrets/superuser"},
                   {"REPLICATION_PASSWORD_FILE", root + "/secrets/replication"}};
    be_primary();
    REQUIRE(run({{std::string(TOYGRES_BINARY_DIR) + "/toygres-agent", "install", root}}).status.ok());
}

NativeNode::NativeNode(const std::string& name, const NativeNode& primary) : NativeNode(name) {
    be_replica_of(primary);
}

NativeNode::~NativeNode() {
    if (agent_ && running()) {
        kill();
        eventually([&] { return postmaster_pid() == 0 || ::kill(postmaster_pid(), 0) != 0; });
    }
    std::error_code e;
    fs::remove_all(root, e);
}

void NativeNode::put(const std::string& file, const std::string& text) const {
    const auto path = root + file;
    const auto directory = fs::path(path).parent_path().string();
    fs::create_directories(directory);
    give_to_pod_user(directory);
    REQUIRE(write_file_atomically(path, text, 0600));
    give_to_pod_user(path);
}

void NativeNode::be_primary() {
    environment["REPLICATION_ROLE"] = "primary";
    environment.erase("PRIMARY_HOST");
}

void NativeNode::be_replica_of(const NativeNode& primary) {
    environment["REPLICATION_ROLE"] = "replica";
    environment["PRIMARY_HOST"] = primary.environment.at("LISTEN_ADDRESS");
}

std::vector<std::string> NativeNode::as_pod_user(std::vector<std::string> argv) const {
    if (::geteuid() != 0) return argv;
    const auto id = std::to_string(pod_uid);
    std::vector<std::string> out{"setpriv",        "--reuid=" + id,    "--regid=" + id,
                                 "--clear-groups", "--pdeathsig=KILL", "--"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
}

void NativeNode::start() {
    auto argv = as_pod_user({root + "/toygres-agent"});
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const int out = ::open((root + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(out >= 0);
    agent_ =
        std::make_unique<Child>(io_.get_executor(), Command{argv, environment, {}, SIGKILL}, Streams{{}, out, out});
    ::close(out);
}

void NativeNode::kill() {
    agent_->signal(SIGKILL);
    eventually([&] { return agent_->poll().has_value(); });
}

ExitStatus NativeNode::stop() {
    agent_->signal(SIGTERM);
    return wait_end();
}

ExitStatus NativeNode::wait_end() {
    const bool ended = eventually([&] { return agent_->poll().has_value(); });
    INFO(log());
    REQUIRE(ended);
    return *agent_->poll();
}

bool NativeNode::running() { return agent_ && !agent_->poll(); }

pid_t NativeNode::postmaster_pid() const {
    return std::atoi(read_file(data_dir + "/postmaster.pid").value_or("0").c_str());
}

Finished NativeNode::command(const std::string& name) const {
    return run({as_pod_user({root + "/toygres-agent", name}), environment});
}

std::optional<ha::AgentStatus> NativeNode::status() const {
    const auto done = command("status");
    if (!done.status.ok()) return std::nullopt;
    return decode<ha::AgentStatus>(*parse_json(done.output));
}

ha::AgentStatus NativeNode::wait_for(const std::string& what,
                                     const std::function<bool(const ha::AgentStatus&)>& holds) const {
    std::optional<ha::AgentStatus> last;
    const bool came = eventually([&] {
        last = status();
        return last && holds(*last);
    });
    INFO("waited for: " << what << "\nlast: " << (last ? encode(*last).dump() : "no answer") << "\n" << log());
    REQUIRE(came);
    return *last;
}

void NativeNode::wait_ready(ha::Role role) const {
    wait_for("ready", [role](const auto& s) { return s.ready && s.role == role; });
}

void NativeNode::wait_streaming(const NativeNode& primary) const {
    wait_for("streaming", [](const auto& s) {
        return s.ready && s.role == ha::Role::replica && s.receiver && s.receiver->status == "streaming";
    });
    const auto name = environment.at("NODE_NAME");
    primary.wait_for("its standby", [&](const auto& s) {
        return std::ranges::any_of(s.peers.value_or(std::vector<ha::PeerStatus>()),
                                   [&](const auto& p) { return p.application_name == name && p.state == "streaming"; });
    });
}

Command NativeNode::psql_command(const std::string& sql, const std::string& user) const {
    return {{"/usr/bin/env", "psql", "-XAtq", "-v", "VERBOSITY=verbose", "-c", sql},
            {{"PGHOST", environment.at("LISTEN_ADDRESS")},
             {"PGUSER", user},
             {"PGDATABASE", "postgres"},
             {"PGPASSWORD", native_password},
             {"PGSSLMODE", "require"},
             {"PGSSLROOTCERT", root + "/no-certificate"},
             {"PGCONNECT_TIMEOUT", "10"}}};
}

Finished NativeNode::psql(const std::string& sql, const std::string& user) const {
    return run(psql_command(sql, user));
}

std::string NativeNode::query(const std::string& sql) const {
    const auto done = psql(sql);
    INFO(sql << "\n" << done.errors << "\n" << log());
    REQUIRE(done.status.ok());
    return done.output;
}

std::unique_ptr<Child> NativeNode::begin_psql(const std::string& sql) {
    return std::make_unique<Child>(io_.get_executor(), psql_command(sql, "postgres"));
}

std::string NativeNode::log() const { return read_file(root + "/log").value_or(""); }

std::size_t NativeNode::made() const {
    std::size_t count = 0;
    const auto text = log();
    for (auto at = text.find("\"data.made\""); at != std::string::npos; at = text.find("\"data.made\"", at + 1))
        ++count;
    return count;
}

std::vector<std::string> NativeNode::volume() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root + "/volume"))
        out.push_back(fmt::format("{} {} {}", entry.path().string(), entry.is_regular_file() ? entry.file_size() : 0,
                                  entry.last_write_time().time_since_epoch().count()));
    std::ranges::sort(out);
    return out;
}

void NativePair::start() {
    a.start();
    b.start();
    b.wait_streaming(a);
}

void NativePair::wait_applied() const {
    auto lsn = a.query("SELECT pg_current_wal_lsn()");
    lsn.pop_back();
    REQUIRE(eventually([&] { return b.query("SELECT pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t\n"; }));
}

}  // namespace toygres::test
