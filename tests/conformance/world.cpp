#include "world.hpp"

#include "admin.hpp"
#include "base/file.hpp"
#include "support/postgres.hpp"

#include <fmt/format.h>

namespace toygres::test {
namespace {

std::string make_schema(const std::string& conninfo) {
    static int count = 0;
    const auto name = fmt::format("world_{}", ++count);
    static const auto tables = [] {
        std::string out;
        for (const auto* migration :
             {"0001_runtime", "0006_operate", "0007_quarantine", "0008_suspicion", "0009_answers", "0010_request"})
            out += read_file(fmt::format("{}/migrations/{}.sql", TOYGRES_SOURCE_DIR, migration)).value();
        return out;
    }();
    as_admin(conninfo, {}, [&](pqxx::work& work) {
        return work.exec(fmt::format("CREATE SCHEMA {0}; SET LOCAL search_path = {0}; ", name) + tables +
                         "CREATE TABLE balances (orchestration text, amount integer);");
    });
    return name;
}

class SteppedAlarm : public Alarm {
  public:
    SteppedAlarm(const SteppedClock& clock, std::unique_ptr<Alarm> alarm) : clock_(clock), alarm_(std::move(alarm)) {}
    void set(Timestamp when, std::function<void()> action) override {
        alarm_->set(when - clock_.step, std::move(action));
    }
    void cancel() override { alarm_->cancel(); }

  private:
    const SteppedClock& clock_;
    std::unique_ptr<Alarm> alarm_;
};

}  // namespace

std::unique_ptr<Alarm> SteppedClock::alarm() { return std::make_unique<SteppedAlarm>(*this, SystemClock::alarm()); }

World::World(StoreKind store_kind, bool evict_every_turn) : kind(store_kind) {
    options.evict_every_turn = evict_every_turn;
    options.renewal = 300ms;
    options.lease = 1500ms;
    options.inbox_poll = 500ms;
    if (kind == StoreKind::postgres) {
        conninfo = shared_postgres().conninfo();
        schema = make_schema(conninfo);
    } else {
        schema = "memory";
        memory_ = std::make_shared<MemoryDatabase>([] { return now(); });
    }
}

World::~World() {
    for (auto& process : processes) process->frozen = false;
    for (auto& process : processes)
        if (process->host) stop(*process);
    for (auto& process : processes) {
        process->io.restart();
        process->io.poll();
    }
}

Process& World::start_process() {
    processes.push_back(std::make_unique<Process>());
    auto& process = *processes.back();
    const auto executor = process.io.get_executor();
    process.application_name = fmt::format("{}_p{}", schema, processes.size());
    if (kind == StoreKind::postgres) {
        process.pool =
            std::make_shared<pg::Pool>(executor, pg::PoolOptions{.conninfo = conninfo,
                                                                 .search_path = schema,
                                                                 .application_name = process.application_name,
                                                                 .connections_max = 6});
        process.store = std::make_unique<PgStore>(
            executor,
            PgStoreOptions{.conninfo = conninfo, .schema = schema, .application_name = process.application_name},
            process.pool);
    } else {
        auto store = make_memory_store(executor, memory_);
        process.memory = store.get();
        process.store = std::move(store);
    }
    process.host = std::make_unique<Host>(process.io, *process.store, process.clock, orchestrations, activities,
                                          services, options);
    process.client = std::make_unique<Client>(executor, *process.store, process.clock, process.host.get());
    services.provide(*process.client);
    process.clock.step = clock_step;
    process.host->on_finished = [client = process.client.get()](const OrchestrationRow& row, bool latest) {
        client->finished(row, latest);
    };
    process.host->on_answered = [client = process.client.get()](const std::string& name) { client->answered(name); };
    bool joined = false;
    asio::co_spawn(process.io, process.host->start(), [&](std::exception_ptr) { joined = true; });
    until([&] { return joined && process.host->owned_shards() > 0; });
    return process;
}

void World::stop(Process& process) {
    bool stopped = false;
    asio::co_spawn(process.io, process.host->stop(), [&](std::exception_ptr) { stopped = true; });
    until([&] { return stopped; });
    process.io.restart();
    process.io.poll();
    process.host.reset();
    process.client.reset();
    process.store.reset();
    if (process.pool) process.pool->close();
}

void World::kill(Process& process) {
    freeze(process);
    if (process.memory != nullptr) return process.memory->drop_session();
    as_admin(conninfo, {}, [&](pqxx::work& work) {
        return work.exec(
            fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '{} %' OR "
                        "application_name = '{}'",
                        process.application_name, process.application_name));
    });
}

Process& World::running() {
    for (auto& process : processes)
        if (process->client && !process->frozen) return *process;
    throw std::logic_error("no process is running");
}

OrchestrationRow World::wait(const std::string& id, std::chrono::milliseconds timeout) {
    auto row = await(client().wait(id, timeout));
    if (!row) UNSCOPED_INFO("recorded so far: " << kinds(id));
    return value_or_raise(std::move(row));
}

void World::start(StartRequest request) { value_or_raise(await(client().start(std::move(request)))); }

OrchestrationRow World::run(StartRequest request) {
    const auto id = request.id;
    start(std::move(request));
    return wait(id);
}

void World::signal(const std::string& id, const std::string& name, Json payload, const std::string& dedup) {
    value_or_raise(await(client().signal(id, name, std::move(payload), dedup)));
}

void World::cancel(const std::string& id) { value_or_raise(await(client().cancel(id, "enough"))); }

std::vector<RecordedEvent> World::history(const std::string& id, std::int64_t execution) {
    return value_or_raise(await(client().history(id, execution)));
}

std::string World::kinds(const std::string& id, std::int64_t execution) {
    std::string out;
    for (const auto& event : history(id, execution)) out += (out.empty() ? "" : " ") + event.kind;
    return out;
}

void World::until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the world did not get there in time");
        std::size_t ran = 0;
        asio::io_context* some = nullptr;
        for (std::size_t i = 0; i < processes.size(); ++i) {
            if (processes[i]->frozen) continue;
            some = &processes[i]->io;
            some->restart();
            ran += some->poll();
        }
        if (ran == 0 && some != nullptr) {
            some->restart();
            some->run_one_for(1ms);
        }
    }
}

void World::until_recorded(const std::string& id, EventKind kind, int times) {
    for (;;) {
        int count = 0;
        for (const auto& event : history(id)) count += event.kind == enum_name(kind);
        if (count >= times) return;
        bool later = false;
        asio::steady_timer timer(running().io, 10ms);
        timer.async_wait([&](boost::system::error_code) { later = true; });
        until([&] { return later; });
    }
}

void on_every_store(const std::function<void(World&)>& test) {
    for (const auto kind : {StoreKind::memory, StoreKind::postgres})
        for (const bool evict : {false, true}) {
            INFO((kind == StoreKind::memory ? "memory" : "postgres") << (evict ? ", evicted every turn" : ""));
            log::set_level("error");
            World world(kind, evict);
            test(world);
        }
}

}  // namespace toygres::test
