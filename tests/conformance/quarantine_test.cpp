// Orchestrations whose code ends the process that runs it, and those that run beside them. On memory, where a process
// can be ended in the middle of a turn; tests/crash does it to real ones on PostgreSQL.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

struct Poison {
    World* world = nullptr;
    bool works = true;
    std::map<int, int> turns{};
};
Poison& poison() {
    static Poison instance;
    return instance;
}

// What is computed here never gets out.
void die() {
    if (!poison().works) return;
    auto& process = *poison().world->processes.back();
    process.frozen = true;
    process.io.stop();
    if (process.memory != nullptr) process.memory->set_available(false);
}

Task<Json> killer(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(1);
    die();
    co_return co_await ctx.call<Echo>(2);
}
// Each turn kills twice.
Task<Json> survivor(Ctx& ctx, Json) {
    for (int turn = 0; turn < 6; ++turn) {
        co_await ctx.call<Echo>(turn);
        if (poison().turns[turn]++ < 2) die();
    }
    co_return 6;
}
Task<Json> patient(Ctx& ctx, Json in) {
    co_await ctx.wait<Json>("go");
    co_return in;
}

void with_poison(const std::function<void(World&)>& test) {
    on_memory([&](World& world) {
        poison() = {&world};
        define(world, "killer", killer);
        define(world, "patient", patient);
        world.start_process();
        test(world);
    });
}

// A new process for each that dies, until that orchestration is parked or has ended; how many died.
int deaths(World& world, const std::string& id, Status status = Status::stuck) {
    for (int count = 0;; ++count) {
        REQUIRE(count < 20);
        auto& process = *world.processes.back();
        bool reached = false;
        const auto look = [&](std::exception_ptr, const Result<std::vector<OrchestrationRow>>& rows) {
            reached = rows && std::ranges::any_of(*rows, [&](const auto& row) { return row.id == id; });
        };
        for (const auto end = std::chrono::steady_clock::now() + 20s;
             !process.frozen && !reached && std::chrono::steady_clock::now() < end;) {
            asio::co_spawn(process.io, process.client->list({.status = status}), look);
            process.io.restart();
            process.io.run_for(5ms);
        }
        if (!process.frozen) return count;
        if (process.memory != nullptr) process.memory->set_available(true);
        world.kill(process);
        world.start_process();
    }
}

}  // namespace

TEST_CASE("quarantine: what kills one owner after the other is left alone in the end, and others go on") {
    with_poison([](World& world) {
        for (int i = 0; i < 5; ++i) begin(world, "p" + std::to_string(i), "patient", i);
        world.start({.id = "k", .name = "killer", .input = Json()});
        CHECK(deaths(world, "k") == 5);
        CHECK(parked(world, "k").starts_with("quarantined: 3 processes died"));
        for (int i = 0; i < 5; ++i) {
            world.signal("p" + std::to_string(i), "go", Json());
            CHECK(world.wait("p" + std::to_string(i)).output == i);
        }
    });
}

TEST_CASE("quarantine: nothing but a resumption or a termination ends it") {
    with_poison([](World& world) {
        world.start({.id = "k", .name = "killer", .input = Json()});
        CHECK(deaths(world, "k") == 5);
        // Whoever took over last is careful already.
        world.start({.id = "l", .name = "killer", .input = Json()});
        CHECK(deaths(world, "l") == 4);
        poison().works = false;
        world.signal("k", "go", 1);
        restart(world);
        crash(world);
        pass(world, 50ms);
        CHECK(get(world, "k").status == Status::stuck);
        CHECK(recorded(world, "k", EventKind::signal_received) == 0);
        value_or_raise(world.await(world.client().resume("k")));
        CHECK(world.wait("k").output == 2);
        value_or_raise(world.await(world.client().terminate("l", "away with it")));
        CHECK(world.wait("l").status == Status::terminated);
    });
}

TEST_CASE("quarantine: deaths in turns that came through in the end do not add up") {
    with_poison([](World& world) {
        define(world, "survivor", survivor);
        world.start({.id = "s", .name = "survivor", .input = Json()});
        CHECK(deaths(world, "s", Status::completed) == 12);
    });
}

TEST_CASE("quarantine: crashes that have nothing to do with them leave all that runs alone") {
    everywhere([](World& world) {
        define(world, "patient", patient);
        world.start_process();
        for (int i = 0; i < 5; ++i) begin(world, "p" + std::to_string(i), "patient", i);
        world.until_recorded("p4", EventKind::wait_started);
        const auto before = times_parked();
        for (int i = 0; i < 6; ++i) crash(world);
        for (int i = 0; i < 5; ++i) {
            world.signal("p" + std::to_string(i), "go", Json());
            CHECK(world.wait("p" + std::to_string(i)).output == i);
        }
        CHECK(times_parked() == before);
    });
}
