#include "process.hpp"

namespace toygres::sim {

Process::Process(std::string process_name, Database& database, const Workload& workload, HostOptions options,
                 Random random)
    : name(std::move(process_name)),
      clock(database.timeline, io.get_executor(), random),
      store(name, io.get_executor(), database, clock),
      around{io.get_executor(), clock, database.checker, [this] { return host->worker(); }},
      db_(database) {
    services.provide(around);
    host.emplace(io, store, clock, workload.orchestrations, workload.activities, services, std::move(options));
    host->on_finished = [this](const OrchestrationRow& row, bool) { db_.checker.announced(row.id); };
}

void Process::start() {
    db_.trace.add(name, "starts");
    asio::co_spawn(io, host->start(), asio::detached);
}

void Process::stop() {
    stopping = true;
    db_.trace.add(name, "is asked to stop");
    asio::co_spawn(io, host->stop(), [this](std::exception_ptr) {
        db_.trace.add(name, "has stopped");
        state = State::dead;
    });
}

void Process::kill() {
    db_.trace.add(name, "is killed");
    state = State::dead;
    store.break_session();
}

}  // namespace toygres::sim
