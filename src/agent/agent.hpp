// The agent's life: look, decide, act; again whenever something changes.
#pragma once
#include "agent/data_directory.hpp"
#include "agent/decision.hpp"
#include "agent/observer.hpp"
#include "agent/options.hpp"
#include "agent/psql.hpp"
#include "agent/server_process.hpp"
#include "agent/topology_source.hpp"
#include "base/event.hpp"
#include "ha/agent_status.hpp"

#include <map>
#include <optional>
#include <string>

namespace toygres::agent {

class Agent {
  public:
    // Throws ErrorException when there is no postgres here, or no place for its files.
    Agent(asio::io_context& io, Options options, Binaries binaries);

    // Until request_stop() has been obeyed and postgres is down.
    asio::awaitable<void> run();
    void request_stop();

    asio::awaitable<ha::AgentStatus> status();
    // postgres accepts connections in the role that the topology gives this member.
    asio::awaitable<bool> ready();

    const Options& options() const { return options_; }

  private:
    Situation look();
    asio::awaitable<void> act(Decision decision);
    asio::awaitable<void> bootstrap();
    void start_primary();
    void reload();
    void note_exit();
    void note_error(const Error& error);
    void wake();
    asio::awaitable<void> tick();
    asio::awaitable<void> keep_roles();
    // The configuration as it should be now; nullopt when it cannot be told (and the error is noted).
    std::optional<std::map<std::string, std::string>> wanted_configuration();

    asio::io_context& io_;
    Options options_;
    Binaries binaries_;
    DataDirectory data_;
    Event woken_;
    ServerProcess server_;
    TopologySource topology_;
    Psql psql_;
    Observer observer_;

    std::optional<Descriptor> lock_;
    std::map<std::string, std::string> configuration_;  // as the running server has it
    std::string roles_digest_;                          // of the passwords that the server has
    Decision decision_{Action::wait, "begins"};
    bool stop_requested_ = false;
    bool bootstrapping_ = false;
    bool keeping_roles_ = false;
    bool changed_ = false;  // something happened since the last look
    std::int64_t restarts_ = 0;
    int quick_restarts_ = 0;  // in a row
    std::chrono::steady_clock::time_point start_not_before_;
    Timestamp started_at_;
    std::optional<ha::LastExit> last_exit_;
    std::optional<std::string> last_error_;
};

}  // namespace toygres::agent
