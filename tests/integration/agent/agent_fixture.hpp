// One member as its pod would see it: temporary directories in place of volumes, the real static binary, real postgres.
#pragma once
#include "agent/options.hpp"
#include "base/process.hpp"
#include "ha/agent_status.hpp"
#include "http/message.hpp"
#include "kube/manifests.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::test {

class AgentFixture {
  public:
    explicit AgentFixture(int ordinal = 1);
    // Another member of the same instance.
    AgentFixture(int ordinal, const AgentFixture& first);
    ~AgentFixture();
    AgentFixture(const AgentFixture&) = delete;
    AgentFixture& operator=(const AgentFixture&) = delete;

    void write_topology(const ha::Topology& topology);
    // This member (or the given one) is the primary of that epoch, in a revision above all before.
    void write_topology(std::int64_t epoch, const std::string& primary);
    void write_password(const std::string& password);
    // From the next start on the agent finds another member there.
    void knows(const AgentFixture& other);
    // From the next start on the agent may watch its topology there.
    void offer_api(const std::string& ca_pem, unsigned short port, const std::string& token);

    void start();
    // SIGKILL to the agent alone; but for the second process of a clone, what it had started ends by itself.
    void kill();
    // SIGTERM; how it ended.
    ExitStatus stop();
    bool running();
    pid_t agent_pid() const { return agent_->pid(); }
    pid_t postmaster_pid() const;

    // nullopt while the agent does not answer.
    std::optional<http::Response> get(const std::string& path, bool with_certificate);
    std::optional<ha::AgentStatus> status();
    // Waits for a status that holds; the test fails after a generous while, with what was seen last.
    ha::AgentStatus wait_for(const std::string& what, const std::function<bool(const ha::AgentStatus&)>& holds);
    ha::AgentStatus wait_ready();

    // psql over TCP as a user of the database would.
    Finished psql(const std::string& sql, const std::string& password, const std::string& sslmode = "verify-full");
    // The same, not waited for.
    std::unique_ptr<Child> begin_psql(const std::string& sql);
    // A sub-command of the agent's binary, as the pod's user.
    Finished agent_command(const std::string& name);
    std::string log() const;
    // What the agent keeps for itself on the volume.
    std::string note() const;
    // Directories beside the data directory that are no whole one.
    std::vector<std::string> unfinished() const;

    const std::string member;
    std::vector<std::string> extra_arguments;  // of the agent, from the next start on
    std::string password = "sekret-of-the-test";
    agent::Options options;
    kube::InstanceSecrets secrets;

  private:
    AgentFixture(int ordinal, std::optional<kube::InstanceSecrets> known);
    std::vector<std::string> as_pod_user(std::vector<std::string> argv) const;
    std::vector<std::string> option_arguments() const;
    Command psql_command(const std::string& sql, const std::string& password, const std::string& sslmode) const;
    void end_clone_orphans() const;
    void write(const std::string& path, const std::string& content, int mode = 0644);

    asio::io_context io_;
    std::string root_;
    std::unique_ptr<Child> agent_;
    std::map<std::string, std::string> environment_;
    std::int64_t revision_ = 0;
};

// Polls until `holds`; false after a generous while.
bool eventually(const std::function<bool()>& holds);

}  // namespace toygres::test
