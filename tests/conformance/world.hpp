// A database of one of the two kinds with any number of runtime processes on it, for conformance tests.
#pragma once
#include "runtime/host/client.hpp"
#include "runtime/host/host.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/pg_store.hpp"
#include "support/catch.hpp"

#include <memory>
#include <string>
#include <vector>

namespace toygres::test {

using namespace toygres::runtime;
using namespace std::chrono_literals;

enum class StoreKind { memory, postgres };

// A wall clock that can be put forward or back; what was set to go off goes off when it would have.
class SteppedClock : public SystemClock {
  public:
    using SystemClock::SystemClock;
    std::chrono::milliseconds step{0};
    Timestamp now() const override { return SystemClock::now() + step; }
    std::unique_ptr<Alarm> alarm() override;
};

// One process of the runtime: its own store, host and client.
struct Process {
    asio::io_context io;
    SteppedClock clock{io.get_executor()};
    bool frozen = false;
    std::string application_name;
    std::shared_ptr<pg::Pool> pool;
    std::unique_ptr<Store> store;
    std::unique_ptr<Host> host;
    std::unique_ptr<Client> client;
    MemoryStore* memory = nullptr;
};

class World {
  public:
    World(StoreKind kind, bool evict_every_turn);
    ~World();

    // A process that has joined and owns shards.
    Process& start_process();
    // As SIGSTOP: nothing of it runs, its sessions stand. thaw() is SIGCONT.
    void freeze(Process& process) { process.frozen = true; }
    void thaw(Process& process) { process.frozen = false; }
    // As kill -9: nothing of it runs, its sessions break.
    void kill(Process& process);
    void stop(Process& process);

    // The first process that runs.
    Process& running();
    Client& client() { return *running().client; }
    // Runs until the orchestration has ended; its row.
    OrchestrationRow run(StartRequest request);
    template <class O> OrchestrationRow run(std::string id, typename O::Input input) {
        return run({.id = std::move(id), .name = std::string(O::name), .input = encode(input)});
    }
    OrchestrationRow wait(const std::string& id, std::chrono::milliseconds timeout = 30s);
    void start(StartRequest request);
    void signal(const std::string& id, const std::string& name, Json payload, const std::string& dedup = {});
    void cancel(const std::string& id);
    std::vector<RecordedEvent> history(const std::string& id, std::int64_t execution = 0);
    // "started activity_scheduled …"
    std::string kinds(const std::string& id, std::int64_t execution = 0);
    // Runs all processes that are not frozen until `condition` holds; fails the test after a minute.
    void until(const std::function<bool()>& condition);
    // Until the current execution has recorded that kind so many times.
    void until_recorded(const std::string& id, EventKind kind, int times = 1);
    template <class T> T await(asio::awaitable<T> task) {
        std::optional<T> out;
        asio::co_spawn(running().io, std::move(task), [&](std::exception_ptr e, T value) {
            if (e) std::rethrow_exception(e);
            out.emplace(std::move(value));
        });
        until([&] { return out.has_value(); });
        return *std::move(out);
    }

    StoreKind kind;
    OrchestrationRegistry orchestrations;
    ActivityRegistry activities;
    Services services;
    HostOptions options;
    std::chrono::milliseconds clock_step{0};  // of the clocks of processes to come
    std::string schema;
    std::string conninfo;
    std::vector<std::unique_ptr<Process>> processes;
    // For tests that need one which misbehaves.
    std::function<std::unique_ptr<MemoryStore>(asio::any_io_executor, std::shared_ptr<MemoryDatabase>)>
        make_memory_store =
            [](auto executor, auto database) { return std::make_unique<MemoryStore>(executor, std::move(database)); };

  private:
    std::shared_ptr<MemoryDatabase> memory_;
};

// Runs the test on memory and on PostgreSQL, each with executions kept in memory and replayed at every turn.
void on_every_store(const std::function<void(World&)>& test);

}  // namespace toygres::test
