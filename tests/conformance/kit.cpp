#include "kit.hpp"

#include "admin.hpp"
#include "metrics/metrics.hpp"

#include <fmt/format.h>

namespace toygres::test {
namespace {

asio::awaitable<Json> echo(ActivityContext&, Json in) {
    ++lab().runs["echo"];
    co_return in;
}

asio::awaitable<Json> fail(ActivityContext&, Json in) {
    ++lab().runs["fail"];
    throw ErrorException(error_from_json(in));
    co_return in;
}

asio::awaitable<Json> flaky(ActivityContext& ctx, Json in) {
    ++lab().runs["flaky"];
    if (ctx.attempt() <= in.get<int>()) raise(ErrorKind::transient, "not_yet", "try again");
    co_return ctx.attempt();
}

asio::awaitable<void> wait_for(const std::string& who, std::function<bool()> condition) {
    ++lab().runs[who];
    asio::steady_timer timer(co_await asio::this_coro::executor);
    try {
        while (!condition()) {
            timer.expires_after(2ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
    } catch (...) {
        ++lab().stopped[who];
        throw;
    }
}

asio::awaitable<Json> hold(ActivityContext&, Json in) {
    co_await wait_for("hold", [] { return lab().open; });
    co_return in;
}

asio::awaitable<Json> hang(ActivityContext&, Json in) {
    co_await wait_for("hang", [] { return false; });
    co_return in;
}

constexpr pg::Query add_query{"test.add", "INSERT INTO balances VALUES ($1, $2)"};

asio::awaitable<Json> add(StepContext& ctx, Json in) {
    const int amount = in.get<int>();
    const auto id = ctx.orchestration();
    ++lab().runs["add"];
    if (lab().on_sql) value_or_raise(co_await ctx.sql().execute(add_query, pg::params(id, amount)));
    ctx.on_commit([id, amount] { lab().balance[id] += amount; });
    co_return in;
}

asio::awaitable<Json> refuse(StepContext& ctx, Json in) {
    co_await add(ctx, std::move(in));
    raise(ErrorKind::conflict, "refused", "not today", {{"why", "it is late"}});
}

void equip(World& world) {
    lab() = {};
    lab().on_sql = world.kind == StoreKind::postgres;
    activity(world, "echo", echo);
    activity(world, "fail", fail);
    activity(world, "flaky", flaky);
    activity(world, "hold", hold);
    activity(world, "hang", hang);
    world.activities.add_activity("watch", hang, ActivityLoad::waits);
    world.activities.add_activity("toil", hang, ActivityLoad::heavy);
    step(world, "add", add);
    step(world, "refuse", refuse);
    world.make_memory_store = [](auto executor, auto database) {
        return std::make_unique<AlteringStore>(executor, std::move(database));
    };
}

void once(StoreKind kind, bool evict, const std::function<void(World&)>& test) {
    INFO((kind == StoreKind::memory ? "memory" : "postgres") << (evict ? ", evicted every turn" : ""));
    log::set_level("off");
    World world(kind, evict);
    equip(world);
    test(world);
}

}  // namespace

Lab& lab() {
    static Lab it;
    return it;
}

void define(World& world, const std::string& name, Code code, int version) {
    world.orchestrations.add_type({name, version, code});
}

void activity(World& world, const std::string& name, Act code) { world.activities.add_activity(name, code); }

void step(World& world, const std::string& name, StepCode code) { world.activities.add_step(name, code); }

void everywhere(const std::function<void(World&)>& test) {
    on_memory(test);
    on_postgres(test);
}

void on_memory_once(bool evict, const std::function<void(World&)>& test) { once(StoreKind::memory, evict, test); }

void on_memory(const std::function<void(World&)>& test) {
    for (const bool evict : {false, true}) once(StoreKind::memory, evict, test);
}

void on_postgres(const std::function<void(World&)>& test) {
    for (const bool evict : {false, true}) once(StoreKind::postgres, evict, test);
}

void begin(World& world, const std::string& id, const std::string& name, Json input) {
    world.start({.id = id, .name = name, .input = std::move(input)});
}

OrchestrationRow run(World& world, const std::string& id, const std::string& name, Json input) {
    begin(world, id, name, std::move(input));
    return world.wait(id);
}

OrchestrationRow get(World& world, const std::string& id) {
    return value_or_raise(world.await(world.client().get(id)));
}

void pass(World& world, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    world.until([&] { return std::chrono::steady_clock::now() >= end; });
}

OrchestrationRow reach(World& world, const std::string& id, Status status) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    for (;;) {
        auto row = world.await(world.client().get(id));
        if (row && row->status == status) return *std::move(row);
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(fmt::format("{} is {} and not {}", id,
                                                 row ? enum_name(row->status) : row.error().code, enum_name(status)));
        pass(world, 3ms);
    }
}

int times_parked() {
    return static_cast<int>(metrics::counter("toygres_runtime_parked_total",
                                             "Orchestrations parked for a difference in replay or an unknown name")
                                .Value());
}

std::string parked(World& world, const std::string& id) {
    const auto row = reach(world, id, Status::stuck);
    const auto before = times_parked();
    pass(world, 10ms);
    CHECK(times_parked() <= before + 2);  // a message may be one more reason to try
    return fmt::format("{}: {}", row.error.value("code", ""), row.error.value("message", ""));
}

int balance(World& world, const std::string& id) {
    if (world.kind == StoreKind::memory) return lab().balance[id];
    return std::stoi(
        sql_value(world, fmt::format("SELECT coalesce(sum(amount), 0) FROM balances WHERE orchestration = '{}'", id)));
}

int recorded(World& world, const std::string& id, EventKind kind) {
    return static_cast<int>(std::ranges::count(world.history(id), enum_name(kind), &RecordedEvent::kind));
}

Process& restart(World& world) {
    for (std::size_t i = 0; i < world.processes.size(); ++i)
        if (auto& process = *world.processes[i]; process.host && !process.frozen) world.stop(process);
    return world.start_process();
}

Process& crash(World& world) {
    for (std::size_t i = 0; i < world.processes.size(); ++i)
        if (auto& process = *world.processes[i]; process.host && !process.frozen) world.kill(process);
    return world.start_process();
}

Process& deploy(World& world, const std::string& name, Code code, int version) {
    for (std::size_t i = 0; i < world.processes.size(); ++i)
        if (auto& process = *world.processes[i]; process.host && !process.frozen) world.stop(process);
    world.orchestrations = {};
    define(world, name, code, version);
    return world.start_process();
}

void sql(World& world, const std::string& text) {
    as_admin(world.conninfo, world.schema, [&](pqxx::work& work) { return work.exec(text); });
}

std::string sql_value(World& world, const std::string& text) {
    return as_admin(world.conninfo, world.schema,
                    [&](pqxx::work& work) { return std::string(work.exec(text)[0][0].c_str()); });
}

Tampering::Tampering(World& world, const std::string& id, const std::function<void(std::vector<TurnRow>&)>& how)
    : world_(world), row_(get(world, id)) {
    std::int64_t first = 1;
    for (const auto& text :
         value_or_raise(world.await(world.running().store->load_history(row_.key, row_.execution)))) {
        auto events = parse_json(text).value();
        const auto count = static_cast<std::int64_t>(events.size());
        before_.push_back({first, std::move(events)});
        first += count;
    }
    auto after = before_;
    how(after);
    write(after);
}

void Tampering::undo() { write(before_); }

void Tampering::write(const std::vector<TurnRow>& rows) {
    if (world_.kind == StoreKind::memory) {
        std::vector<std::string> texts;
        for (const auto& row : rows) texts.push_back(row.events.dump());
        lab().alter_history = [key = row_.key, count = before_.size(), texts](std::int64_t of, auto& turns) {
            if (of != key || turns.size() < count) return;
            turns.erase(turns.begin(), turns.begin() + static_cast<std::ptrdiff_t>(count));
            turns.insert(turns.begin(), texts.begin(), texts.end());
        };
        return;
    }
    as_admin(world_.conninfo, world_.schema, [&](pqxx::work& work) {
        auto out =
            work.exec(fmt::format("DELETE FROM history WHERE key = {} AND execution = {}", row_.key, row_.execution));
        for (const auto& row : rows)
            work.exec(fmt::format("INSERT INTO history VALUES ({}, {}, {}, {})", row_.key, row_.execution, row.first,
                                  work.quote(row.events.dump())));
        return out;
    });
}

asio::awaitable<Result<std::vector<std::string>>> AlteringStore::load_history(std::int64_t key,
                                                                              std::int64_t execution) {
    auto out = co_await MemoryStore::load_history(key, execution);
    ++lab().runs["load_history"];
    if (out && lab().alter_history) lab().alter_history(key, *out);
    co_return out;
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> AlteringStore::load_open(std::vector<int> shards) {
    auto out = co_await MemoryStore::load_open(std::move(shards));
    if (out && lab().alter_row)
        for (auto& row : *out) lab().alter_row(row);
    co_return out;
}

}  // namespace toygres::test
