// What a running server needs from time to time: passwords as the Secrets say, slots for the other members, and an eye
// on whether a replica gets on.
#pragma once
#include "agent/binaries.hpp"
#include "agent/decision.hpp"
#include "agent/follow.hpp"
#include "agent/options.hpp"
#include "agent/psql.hpp"
#include "base/asio.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace toygres::agent {

class Caretaker {
  public:
    // `on_change` is called when following() is another. `on_error` gets what could not be done; it is tried again.
    Caretaker(asio::any_io_executor executor, const Options& options, Binaries binaries, const Psql& psql,
              std::function<void()> on_change, std::function<void(const Error&)> on_error);

    // Begins what is due; call it often. A server that does not accept connections yet is only watched.
    void look_after(const ha::Topology& topology, ha::Role role, Server server);
    // The server is another one, or in another role.
    void begin_anew();

    Following following() const { return following_; }
    // The data was rewound: when that does not help, nothing but a clone will.
    void note_rewound();
    // The data cannot be rewound.
    void note_lost() { set_following(Following::lost); }
    // The data is new, or another member is to be followed.
    void note_new_beginning();

  private:
    asio::awaitable<void> work(ha::Topology topology, ha::Role role, Server server);
    asio::awaitable<void> keep_roles();
    asio::awaitable<void> keep_slots(const ha::Topology& topology, ha::Role role);
    asio::awaitable<void> keep_own_slot(const ha::Topology& topology, ha::Role role);
    asio::awaitable<void> watch_following(const std::string& primary, Server server);
    asio::awaitable<void> see_progress(Server server);
    void set_following(Following following);

    asio::any_io_executor executor_;
    const Options& options_;
    Binaries binaries_;
    const Psql& psql_;
    std::function<void()> on_change_;
    std::function<void(const Error&)> on_error_;

    bool working_ = false;
    int server_number_ = 0;     // grows with begin_anew(): an answer of the server before is no answer
    std::string roles_digest_;  // of the passwords that the server has
    std::string slots_script_;  // as it was last run
    std::chrono::steady_clock::time_point slots_due_;
    FollowWatch watch_;
    std::chrono::steady_clock::time_point look_due_;
    Following following_ = Following::well;
    bool rewound_ = false;
};

}  // namespace toygres::agent
