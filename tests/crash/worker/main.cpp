// A process of the runtime for the crash tests: runs until it is killed.
#include "base/log.hpp"
#include "crash/workload.hpp"
#include "runtime/store/pg_store.hpp"

#include <fmt/format.h>

#include <csignal>
#include <sys/prctl.h>

using namespace toygres;
using namespace toygres::crash;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: crash_worker CONNINFO LOG\n");
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // none outlives the test
    log::to_file(argv[2]);
    asio::io_context io;
    SystemClock clock(io.get_executor());
    const std::string conninfo = argv[1];
    constexpr auto schema = "toygres_cms";
    const auto pool = std::make_shared<pg::Pool>(
        io.get_executor(), pg::PoolOptions{.conninfo = conninfo, .search_path = schema, .application_name = "crash"});
    PgStore store(io.get_executor(), {.conninfo = conninfo, .schema = schema, .application_name = "crash"}, pool);
    OrchestrationRegistry orchestrations;
    ActivityRegistry activities;
    add_workload(orchestrations, activities);
    Services services;
    services.provide(*pool);
    Host host(io, store, clock, orchestrations, activities, services,
              {.name = "crash", .lease = 3s, .renewal = 500ms, .inbox_poll = 500ms});
    asio::co_spawn(io, host.start(), asio::detached);
    io.run();
    return 1;
}
