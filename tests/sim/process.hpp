// A simulated process: an event loop of its own, its clock, its store, its host. It can be frozen, killed and stopped.
#pragma once
#include "runtime/host/host.hpp"
#include "sim_clock.hpp"
#include "sim_store.hpp"
#include "workload.hpp"

namespace toygres::sim {

// Something with an event loop, of which one handler runs at a time.
class Actor {
  public:
    virtual ~Actor() = default;
    bool run_one() { return io.poll_one() > 0; }
    virtual bool runs() const { return true; }

    asio::io_context io{1};

  private:
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io);
};

class Process : public Actor {
  public:
    enum class State { running, frozen, dead };

    Process(std::string name, Database& database, const Workload& workload, HostOptions options, Random random);

    bool runs() const override { return state == State::running; }
    void start();
    // Hands over and ends; `ended` then.
    void stop();
    // As kill -9: none of its handlers runs any more. What it has sent is on its way all the same.
    void kill();

    const std::string name;
    SimClock clock;
    SimStore store;
    Surroundings around;
    Services services;
    std::optional<Host> host;
    State state = State::running;
    bool stopping = false;
    int doom = -1;  // it is killed after so many handlers; -1: it is not

  private:
    Database& db_;
};

}  // namespace toygres::sim
