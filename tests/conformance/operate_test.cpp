// What operators do to orchestrations: pause and resume them, begin them again, look for them.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

void pause(World& world, const std::string& id) {
    value_or_raise(world.await(world.client().pause(id)));
    reach(world, id, Status::paused);
}

void resume(World& world, const std::string& id) { value_or_raise(world.await(world.client().resume(id))); }

void reset(World& world, const std::string& id, std::int64_t event) {
    value_or_raise(world.await(world.client().reset(id, event)));
}

void retry(World& world, const std::string& id) { value_or_raise(world.await(world.client().retry(id))); }

std::string code_of(const Result<void>& result) { return result ? "" : result.error().code; }

Task<Json> three_signals(Ctx& ctx, Json) {
    Json out = Json::array();
    for (int i = 0; i < 3; ++i) out.push_back(co_await ctx.wait<Json>("go"));
    co_return out;
}

// What it draws and where it is called, before and after the step that fails until the gate is open.
Task<Json> fails_once(Ctx& ctx, Json) {
    const auto drawn = ctx.uuid();
    const auto first = co_await ctx.call<Echo>(drawn);
    co_await ctx.transact<Add>(1);
    co_await ctx.call<Named<"gated">>(Json(), {.attempts = 1});
    co_return Json{{"drawn", drawn}, {"echoed", first}, {"later", ctx.uuid()}};
}

void gated(World& world) {
    activity(world, "gated", [](ActivityContext&, Json in) -> asio::awaitable<Json> {
        ++lab().runs["gated"];
        if (!lab().open) raise(ErrorKind::conflict, "shut", "the gate is shut");
        co_return in;
    });
}

}  // namespace

// --- pause -----------------------------------------------------------------------------------------------------------

TEST_CASE("pause: what arrives is kept in order, and nothing runs until it is resumed [pause]") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        pause(world, "a");
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        pass(world, 50ms);
        CHECK(recorded(world, "a", EventKind::signal_received) == 0);
        CHECK(get(world, "a").status == Status::paused);
        resume(world, "a");
        CHECK(world.wait("a").output == Json{0, 1, 2});
    });
}

TEST_CASE("pause: one that has not begun stays so") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        world.start({.id = "a", .name = "o", .input = Json()});
        pause(world, "a");
        crash(world);
        CHECK(get(world, "a").status == Status::paused);
        resume(world, "a");
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        CHECK(world.wait("a").output == Json{0, 1, 2});
    });
}

TEST_CASE("pause: it lasts through a crash, and what was under way is taken up when it is resumed") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Hold>("held"); });
        begin(world, "a", "o");
        world.until([] { return lab().runs["hold"] == 1; });
        pause(world, "a");
        crash(world);
        lab().open = true;
        pass(world, 50ms);
        CHECK(lab().runs["hold"] == 1);
        CHECK(get(world, "a").status == Status::paused);
        resume(world, "a");
        CHECK(world.wait("a").output == "held");
        CHECK(lab().runs["hold"] == 2);
    });
}

TEST_CASE("pause: an activity that ends meanwhile is not run again") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Hold>("held"); });
        begin(world, "a", "o");
        world.until([] { return lab().runs["hold"] == 1; });
        pause(world, "a");
        lab().open = true;
        pass(world, 50ms);
        CHECK(recorded(world, "a", EventKind::activity_completed) == 0);
        resume(world, "a");
        CHECK(world.wait("a").output == "held");
        CHECK(lab().runs["hold"] == 1);
    });
}

TEST_CASE("pause: a timer that comes due meanwhile fires when it is resumed") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(1500ms);
            co_return "slept";
        });
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::timer_created);
        pause(world, "a");
        const auto due = world.running().clock.now() + 1500ms;
        world.until([&] { return world.running().clock.now() > due; });
        CHECK(recorded(world, "a", EventKind::timer_fired) == 0);
        resume(world, "a");
        CHECK(world.wait("a").output == "slept");
    });
}

TEST_CASE("pause: a cancellation waits for the resumption, a termination does not") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        for (const auto* id : {"a", "b"}) {
            begin(world, id, "o");
            world.until_recorded(id, EventKind::wait_started);
            pause(world, id);
        }
        world.cancel("a");
        value_or_raise(world.await(world.client().terminate("b", "enough")));
        CHECK(world.wait("b").status == Status::terminated);
        CHECK(get(world, "a").status == Status::paused);
        resume(world, "a");
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("pause: the last word counts, and saying it twice does no harm") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        pause(world, "a");
        pause(world, "a");
        resume(world, "a");
        resume(world, "a");
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        CHECK(world.wait("a").status == Status::completed);
        CHECK(code_of(world.await(world.client().pause("a"))) == "orchestration_finished");
        CHECK(code_of(world.await(world.client().pause("b"))) == "orchestration_not_found");
    });
}

TEST_CASE("pause: a parent hears of its child when it is resumed") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "kid", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("grow"); });
        define(world, "o",
               [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Named<"kid">>(Json(), {.id = "k"}); });
        begin(world, "a", "o");
        world.until([&] { return world.await(world.client().get("k")).has_value(); });
        pause(world, "a");
        world.signal("k", "grow", "up");
        CHECK(world.wait("k").status == Status::completed);
        restart(world);
        CHECK(get(world, "a").status == Status::paused);
        resume(world, "a");
        CHECK(world.wait("a").output == "up");
    });
}

TEST_CASE("pause: resuming one that is parked tries it again") {
    everywhere([](World& world) {
        world.start_process();
        static bool broken;
        broken = true;
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            if (broken) co_await ctx.sleep(1ms);
            co_return co_await ctx.call<Echo>(1);
        });
        broken = false;
        define(world, "p", three_signals);
        begin(world, "a", "p");
        world.until_recorded("a", EventKind::wait_started);
        deploy(world, "q", three_signals);
        CHECK(parked(world, "a").starts_with("unknown_orchestration"));
        define(world, "p", three_signals);
        resume(world, "a");
        reach(world, "a", Status::running);
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        CHECK(world.wait("a").status == Status::completed);
    });
}

// --- retry and reset -------------------------------------------------------------------------------------------------

TEST_CASE("retry: the step that failed is done again, what went before is not [retry_from_step]") {
    everywhere([](World& world) {
        world.start_process();
        gated(world);
        define(world, "o", fails_once);
        const auto failed = run(world, "a", "o");
        CHECK(failed.status == Status::failed);
        const auto drawn = world.history("a")[1].data;
        lab().open = true;
        retry(world, "a");
        const auto row = world.wait("a");
        CHECK(row.status == Status::completed);
        CHECK(row.execution == 2);
        CHECK(row.output.at("drawn") == drawn);
        CHECK(row.output.at("echoed") == drawn);
        CHECK(row.output.at("later") != drawn);
        CHECK(lab().runs["echo"] == 1);
        CHECK(lab().runs["gated"] == 2);
        CHECK(balance(world, "a") == 1);
        CHECK(world.kinds("a", 1).ends_with("activity_failed failed"));
    });
}

TEST_CASE("retry: it may fail and be retried again and again, also after crashes") {
    everywhere([](World& world) {
        world.start_process();
        gated(world);
        define(world, "o", fails_once);
        run(world, "a", "o");
        const auto drawn = world.history("a")[1].data;
        for (int execution = 2; execution <= 4; ++execution) {
            retry(world, "a");
            CHECK(world.wait("a").execution == execution);
            crash(world);
        }
        lab().open = true;
        retry(world, "a");
        crash(world);
        CHECK(world.wait("a").output.at("drawn") == drawn);
        CHECK(lab().runs["echo"] == 1);
        CHECK(balance(world, "a") == 1);
    });
}

TEST_CASE("retry: a child that failed is retried from its own step, and answers its parent") {
    everywhere([](World& world) {
        world.start_process();
        gated(world);
        define(world, "kid", fails_once);
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.transact<Add>(1);
            co_return co_await ctx.child<Named<"kid">>(Json());
        });
        CHECK(run(world, "a", "o").status == Status::failed);
        lab().open = true;
        retry(world, "a");
        const auto row = world.wait("a");
        CHECK(row.status == Status::completed);
        CHECK(row.output.at("drawn") == row.output.at("echoed"));
        CHECK(lab().runs["echo"] == 1);
        CHECK(balance(world, "a") == 1);
    });
}

TEST_CASE("retry: children that were cancelled with their parent begin anew, those that completed do not") {
    everywhere([](World& world) {
        world.start_process();
        gated(world);
        define(world, "kid", [](Ctx& ctx, Json in) -> Task<Json> {
            ++lab().runs["kid " + in.dump()];
            if (in == 2) co_return co_await ctx.call<Hold>(in);
            co_return in;
        });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 1; i <= 2; ++i) all.push_back(ctx.child<Named<"kid">>(i, {.id = "k" + std::to_string(i)}));
            co_await ctx.sleep(1ms);
            co_await ctx.call<Named<"gated">>(Json(), {.attempts = 1});
            co_return co_await ctx.all(std::move(all));
        });
        CHECK(run(world, "a", "o").status == Status::failed);
        world.wait("k1");
        world.wait("k2");
        lab().open = true;
        retry(world, "a");
        CHECK(world.wait("a").output == Json{1, 2});
        CHECK(get(world, "k1").execution == 1);
        CHECK(get(world, "k2").execution == 2);
    });
}

TEST_CASE("retry: where nothing failed there is nothing to retry; what runs is left alone") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx&, Json) -> Task<Json> {
            raise(ErrorKind::invalid, "bad", "bad");
            co_return Json();
        });
        define(world, "p", three_signals);
        run(world, "a", "o");
        CHECK(code_of(world.await(world.client().retry("a"))) == "nothing_failed");
        CHECK(get(world, "a").execution == 1);
        begin(world, "b", "p");
        CHECK(code_of(world.await(world.client().retry("b"))) == "orchestration_running");
        CHECK(code_of(world.await(world.client().reset("b", 1))) == "orchestration_running");
        CHECK(code_of(world.await(world.client().retry("c"))) == "orchestration_not_found");
    });
}

TEST_CASE(
    "reset: it goes on from the event that was named, with the signals that came later [reset_reapplies_signals]") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            Json out = Json::array();
            for (int i = 0; i < 2; ++i) {
                out.push_back(co_await ctx.wait<Json>("go"));
                co_await ctx.call<Echo>(out.back());
            }
            co_return out;
        });
        begin(world, "a", "o");
        world.signal("a", "go", "x", "key");
        world.until_recorded("a", EventKind::activity_completed);
        world.signal("a", "go", "y");
        CHECK(world.wait("a").output == Json{"x", "y"});
        REQUIRE(world.kinds("a").starts_with("started wait_started signal_received activity_scheduled"));
        reset(world, "a", 4);  // the call, and so the signal that led to it
        CHECK(world.wait("a").output == Json{"x", "y"});
        CHECK(get(world, "a").execution == 2);
        CHECK(lab().runs["echo"] == 4);
        reset(world, "a", 1);
        CHECK(world.wait("a").output == Json{"x", "y"});
        CHECK(get(world, "a").execution == 3);
    });
}

TEST_CASE("reset: a termination can be undone") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        begin(world, "a", "o");
        world.signal("a", "go", 0);
        world.until_recorded("a", EventKind::signal_received);
        value_or_raise(world.await(world.client().terminate("a", "oops")));
        CHECK(world.wait("a").status == Status::terminated);
        reset(world, "a", std::ssize(world.history("a")));
        world.signal("a", "go", 1);
        world.signal("a", "go", 2);
        CHECK(world.wait("a").output == Json{0, 1, 2});
        CHECK(recorded(world, "a", EventKind::signal_received) == 3);
    });
}

TEST_CASE("reset: an event that is not there is refused, and nothing changes") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        run(world, "a", "o", 1);
        for (const auto event : {-1, 0, 3})
            CHECK(code_of(world.await(world.client().reset("a", event))) == "no_such_event");
        CHECK(get(world, "a").execution == 1);
    });
}

TEST_CASE("reset: of two at once one is refused") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        begin(world, "a", "o");
        world.cancel("a");
        world.wait("a");
        std::vector<std::string> codes;
        for (int i = 0; i < 2; ++i)
            asio::co_spawn(world.running().io, world.client().reset("a", 1),
                           [&](std::exception_ptr, Result<void> result) { codes.push_back(code_of(result)); });
        world.until([&] { return codes.size() == 2; });
        std::ranges::sort(codes);
        CHECK(codes[0].empty());
        CHECK((codes[1] == "orchestration_changed" || codes[1] == "orchestration_running"));
        CHECK(get(world, "a").execution == 2);
    });
}

TEST_CASE("reset: not while a child that was left to itself goes on") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "kid", three_signals);
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto kid = ctx.child<Named<"kid">>(Json(), {.id = "k", .close = ClosePolicy::abandon});
            co_await ctx.sleep(1ms);
            co_await ctx.call<Fail>(to_json_value(Error{ErrorKind::conflict, "no", "no"}), {.attempts = 1});
            co_return co_await std::move(kid);
        });
        CHECK(run(world, "a", "o").status == Status::failed);
        CHECK(code_of(world.await(world.client().retry("a"))) == "children_running");
        CHECK(get(world, "a").execution == 1);
        CHECK(get(world, "a").status == Status::failed);
    });
}

// --- signal with start -----------------------------------------------------------------------------------------------

TEST_CASE("signal with start: it starts what is not there, and signals what runs [signal_with_start]") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        std::vector<bool> created;
        for (int i = 0; i < 3; ++i)
            created.push_back(value_or_raise(world.await(world.client().signal_with_start(
                                                 {.id = "a", .name = "o", .input = Json()}, "go", i)))
                                  .created);
        CHECK(created == std::vector{true, false, false});
        CHECK(world.wait("a").output == Json{0, 1, 2});
    });
}

TEST_CASE(
    "signal with start: an ended one is an error, unless it is to be replaced; then the signal is for the new one") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("go"); });
        const auto send = [&](Json payload, OnConflict on_conflict) {
            return world.await(world.client().signal_with_start(
                {.id = "a", .name = "o", .input = Json(), .on_conflict = on_conflict}, "go", payload));
        };
        CHECK(send(1, OnConflict::fail).has_value());
        CHECK(world.wait("a").output == 1);
        CHECK(send(2, OnConflict::use_existing).error().code == "orchestration_finished");
        CHECK(get(world, "a").execution == 1);
        CHECK(send(3, OnConflict::replace_terminal)->created);
        CHECK(world.wait("a").output == 3);
        CHECK(get(world, "a").execution == 2);
    });
}

TEST_CASE("signal with start: a repeated dedup key is taken once") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", three_signals);
        for (const auto* key : {"x", "x", "y", "x", "z"})
            CHECK(
                world.await(world.client().signal_with_start({.id = "a", .name = "o", .input = Json()}, "go", key, key))
                    .has_value());
        CHECK(world.wait("a").output == Json{"x", "y", "z"});
    });
}

// --- looking for them ------------------------------------------------------------------------------------------------

TEST_CASE("search: by tags, by time and by type, with counts [list_filter; count_by_status]") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "o", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        define(world, "p", three_signals);
        world.start({.id = "a", .name = "o", .input = 1, .tags = {{"team", "blue"}, {"tier", "gold"}}});
        const auto first = get(world, "a").created_at;
        world.until([&] { return world.running().clock.now() > first; });
        world.start({.id = "b", .name = "o", .input = 1, .tags = {{"team", "blue"}}});
        world.start({.id = "c", .name = "p", .input = 1, .tags = {{"team", "red"}}});
        world.start({.id = "d", .name = "p", .input = 1});
        world.wait("a");
        world.wait("b");
        reach(world, "c", Status::running);
        reach(world, "d", Status::running);
        const auto ids = [&](OrchestrationFilter filter) {
            std::string out;
            for (const auto& row : value_or_raise(world.await(world.client().list(std::move(filter))))) out += row.id;
            return out;
        };
        CHECK(ids({}) == "dcba");
        CHECK(ids({.tags = {{"team", "blue"}}}) == "ba");
        CHECK(ids({.tags = {{"team", "blue"}, {"tier", "gold"}}}) == "a");
        CHECK(ids({.tags = {{"team", "green"}}}).empty());
        CHECK(ids({.name = "o", .tags = {{"team", "red"}}}).empty());
        const auto since = get(world, "b").created_at;
        CHECK(ids({.created_after = since}) == "dcb");
        CHECK(ids({.created_before = since}) == "a");
        const auto counts = [&](OrchestrationFilter filter) {
            std::string out;
            for (const auto& c : value_or_raise(world.await(world.client().count(std::move(filter)))))
                out += fmt::format("{} {} {};", c.name, enum_name(c.status), c.count);
            return out;
        };
        CHECK(counts({.limit = 1}) == "o completed 2;p running 2;");
        CHECK(counts({.status = Status::running, .tags = {{"team", "red"}}}) == "p running 1;");
        CHECK(counts({.name = "none"}).empty());
    });
}

// --- children that are tried again -----------------------------------------------------------------------------------

TEST_CASE("children: one that fails is tried again, as often as is said [child_retry]") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "kid", [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Named<"third time">>(Json(), {.attempts = 1});
        });
        activity(world, "third time", [](ActivityContext&, Json) -> asio::awaitable<Json> {
            if (++lab().runs["third time"] % 3 != 0) raise(ErrorKind::conflict, "not_yet", "not yet");
            co_return lab().runs["third time"];
        });
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            co_return co_await ctx.child_retried<Named<"kid">>(
                Json(), {.attempts = in.get<int>(), .initial_delay = 1ms}, {.id = ctx.id() + "-kid"});
        });
        CHECK(run(world, "a", "o", 3).output == 3);
        CHECK(get(world, "a-kid/3").status == Status::completed);
        const auto failed = run(world, "b", "o", 2);
        CHECK(failed.status == Status::failed);
        CHECK(failed.error.at("code") == "not_yet");
        CHECK_FALSE(world.await(world.client().get("b-kid/3")).has_value());
    });
}

TEST_CASE("children: an error that allows no retry, a conflict and a cancellation end the retries at once") {
    everywhere([](World& world) {
        world.start_process();
        define(world, "kid", [](Ctx& ctx, Json in) -> Task<Json> {
            if (in == "wait") co_await ctx.wait<Json>("go");
            co_return co_await ctx.call<Fail>(to_json_value(Error{ErrorKind::conflict, "final", "final"}),
                                              {.attempts = 1});
        });
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            co_return co_await ctx.child_retried<Named<"kid">>(
                in, {.attempts = 5, .initial_delay = 1ms, .non_retryable = {"final"}},
                {.id = "k-" + in.get<std::string>()});
        });
        CHECK(run(world, "a", "o", "fail").error.at("code") == "final");
        CHECK(run(world, "b", "o", "fail").error.at("code") == "orchestration_exists");
        begin(world, "c", "o", "wait");
        world.until([&] { return world.await(world.client().get("k-wait")).has_value(); });
        world.cancel("c");
        CHECK(world.wait("c").status == Status::cancelled);
        CHECK_FALSE(world.await(world.client().get("k-wait/2")).has_value());
    });
}
