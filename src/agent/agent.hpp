// The agent's life: look, decide, act; again whenever something changes.
#pragma once
#include "agent/caretaker.hpp"
#include "agent/configuration.hpp"
#include "agent/data_directory.hpp"
#include "agent/decision.hpp"
#include "agent/login_probe.hpp"
#include "agent/observer.hpp"
#include "agent/options.hpp"
#include "agent/psql.hpp"
#include "agent/server_process.hpp"
#include "agent/topology_source.hpp"
#include "base/event.hpp"
#include "ha/agent_status.hpp"

#include <functional>
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
    // A primary serves on for a while, and hands over if it is told to.
    void request_stop();

    // `max_age`: how old an answer of postgres may be that serves once more.
    asio::awaitable<ha::AgentStatus> status(std::chrono::milliseconds max_age);
    // postgres accepts connections in the role that the topology gives this member.
    asio::awaitable<bool> ready();
    // How often something has happened to this member; what postgres has to be asked for does not count.
    std::uint64_t happenings() const { return happenings_; }
    // Until more than that has happened, or the time has come.
    asio::awaitable<void> wait_for_news(std::uint64_t known, std::chrono::steady_clock::time_point at_the_latest);

    const Options& options() const { return options_; }

  private:
    Situation look();
    void log_decision(const Decision& decision);
    asio::awaitable<void> act(Decision decision);
    void attend();

    // agent_data.cpp: what makes the data. Ended where it stands when other orders come.
    asio::awaitable<void> prepare(Action action);
    asio::awaitable<Result<void>> bootstrap();
    asio::awaitable<Result<void>> clone();
    asio::awaitable<Result<void>> rewind();
    asio::awaitable<void> other_orders();
    std::string orders_key() const;
    void note_failed_try(const Error& error);
    bool room_for_another(std::int64_t size_bytes) const;

    // agent_native.cpp: what a member without a control plane does besides.
    void see_promotion_by_hand();
    asio::awaitable<Result<void>> claim_slot(std::string primary);

    // agent_server.cpp: what is done with the server.
    void start_server(ha::Role role);
    void reload();
    asio::awaitable<void> promote();
    void finish_promotion();
    asio::awaitable<void> checkpoint();
    asio::awaitable<void> confirm();
    void note_exit();
    Result<void> write_orders(const Orders& orders);

    // Changes the volume's note, durably. false: it cannot be, and the error is noted.
    bool change_note(const std::function<void(VolumeNote&)>& change);
    // The topology is obeyed from here on: the volume remembers it, so that an older one never is.
    bool note_reign();
    void note_error(const Error& error);
    // agent_stop.cpp: the last minute of a primary.
    bool may_hand_over() const;
    std::chrono::milliseconds time_to_stop() const;
    asio::awaitable<void> look_for_heir();

    void wake();
    void look_again();
    asio::awaitable<void> tick();
    asio::awaitable<void> keep_logging_in();
    asio::awaitable<void> observe_running(ha::AgentStatus& status, std::chrono::milliseconds max_age);
    void note_happening();
    // The configuration as it should be now; nullopt when it cannot be told (and the error is noted).
    std::optional<std::map<std::string, std::string>> wanted_configuration();

    asio::io_context& io_;
    Options options_;
    Binaries binaries_;
    DataDirectory data_;
    Event woken_;
    Event happened_;
    std::uint64_t happenings_ = 0;
    ServerProcess server_;
    TopologySource topology_;
    Psql psql_;
    Observer observer_;
    LoginProbe login_;
    Caretaker caretaker_;

    std::optional<Descriptor> lock_;
    std::map<std::string, std::string> configuration_;  // as it is written
    Orders orders_{};                                   // that it is written for
    int configuration_number_ = 0;                      // grows with every change of server or configuration
    bool confirmed_ = false;                            // the server was seen to go by it
    bool confirming_ = false;
    int confirm_tries_ = 0;
    std::string armed_names_;  // synchronous standbys that this server is known to wait for
    ha::Reign in_effect_;      // of the topology that /status tells of
    std::int64_t server_epoch_ = 0;
    Decision decision_{Action::wait, "begins"};
    Decision logged_decision_{Action::wait, {}};
    std::string upstream_;  // epoch and primary as of the last look
    std::optional<std::chrono::steady_clock::time_point> stop_requested_at_;
    std::chrono::steady_clock::time_point heir_seen_at_;
    bool preparing_ = false;
    std::optional<ha::CloneProgress> clone_progress_;
    bool promotion_open_ = false;
    bool checkpointing_ = false;
    bool checkpointed_ = false;
    bool changed_ = false;  // something happened since the last look
    std::int64_t restarts_ = 0;
    int quick_restarts_ = 0;  // in a row
    int failed_tries_ = 0;    // of making data, in a row
    std::chrono::steady_clock::time_point start_not_before_;
    Timestamp started_at_;
    std::optional<ha::LastExit> last_exit_;
    std::optional<std::string> last_error_;
};

}  // namespace toygres::agent
