// One process of the runtime on a PostgreSQL, wired as the server wires it.
#pragma once
#include "cms/migrator.hpp"
#include "runtime/host/client.hpp"
#include "runtime/host/host.hpp"
#include "runtime/store/pg_store.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace toygres::bench {

using SteadyClock = std::chrono::steady_clock;
inline constexpr auto schema = "toygres_cms";

inline double seconds_since(SteadyClock::time_point began) {
    return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

struct World {
    // `define` registers what is to be run; nothing runs before start().
    World(const std::string& conninfo, const std::function<void(World&)>& define, runtime::HostOptions options = {})
        : host_options(std::move(options)),
          pool(std::make_shared<pg::Pool>(
              io.get_executor(), pg::PoolOptions{.conninfo = conninfo, .search_path = schema, .connections_max = 16})),
          store(io.get_executor(), {.conninfo = conninfo, .schema = schema}, pool) {
        value_or_raise(cms::migrate(conninfo, schema));
        define(*this);
        host.on_finished = [this](const runtime::OrchestrationRow& row, bool latest) { client.finished(row, latest); };
    }
    ~World() {
        if (started) test::run(io, host.stop());
        pool->close();
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // Until it owns all there is.
    void start() {
        started = true;
        test::run(io, host.start());
        run_until([this] { return host.owned_shards() == runtime::shard_count; });
    }
    void run_for(std::chrono::milliseconds time) {
        const auto end = SteadyClock::now() + time;
        io.restart();
        while (SteadyClock::now() < end) io.run_one_until(end);
    }
    void run_until(const std::function<bool()>& condition) {
        io.restart();  // it stops when it has nothing to do, and then runs nothing until told
        while (!condition()) io.run_one();
    }

    const runtime::HostOptions host_options;
    asio::io_context io;
    runtime::SystemClock clock{io.get_executor()};
    std::shared_ptr<pg::Pool> pool;
    runtime::PgStore store;
    runtime::OrchestrationRegistry orchestrations;
    runtime::ActivityRegistry activities;
    runtime::Services services;
    runtime::Host host{io, store, clock, orchestrations, activities, services, host_options};
    runtime::Client client{io.get_executor(), store, clock, &host};
    bool started = false;
};

}  // namespace toygres::bench
