// What is seen from outside: status, starts and their conflicts, detached orchestrations, lists.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// Sets what it is told to, until it is told "end".
Task<Json> reports(Ctx& ctx, Json) {
    for (;;) {
        auto said = co_await ctx.wait<Json>("say");
        if (said == "end") co_return Json();
        if (said == "anew") ctx.continue_as_new(Json());
        ctx.set_status(said == "nothing" ? Json() : said);
    }
}

void reporting(const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        define(world, "o", reports);
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        test(world);
    });
}

void says(World& world, const Json& status) {
    world.until([&] { return get(world, "a").custom_status == status; });
}

}  // namespace

TEST_CASE("status: none until one is set [custom_status_none_when_not_set]") {
    reporting([](World& world) { CHECK(run(world, "a", "quick", 1).custom_status.is_null()); });
}

TEST_CASE("status: is seen while it runs, the last one counts [custom_status_last_write_wins]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        world.signal("a", "say", {{"step", 1}});
        says(world, {{"step", 1}});
        world.signal("a", "say", {{"step", 2}});
        says(world, {{"step", 2}});
    });
}

TEST_CASE("status: the same again is not recorded again") {
    reporting([](World& world) {
        begin(world, "a", "o");
        for (int i = 0; i < 5; ++i) world.signal("a", "say", "same");
        world.signal("a", "say", "end");
        world.wait("a");
        CHECK(recorded(world, "a", EventKind::status_set) == 1);
    });
}

TEST_CASE("status: can be taken back [custom_status_reset_clears_to_none]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        world.signal("a", "say", "something");
        says(world, "something");
        world.signal("a", "say", "nothing");
        says(world, Json());
    });
}

TEST_CASE("status: stays over executions [custom_status_persists_across_continue_as_new]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        world.signal("a", "say", "kept");
        world.signal("a", "say", "anew");
        world.until([&] { return get(world, "a").execution == 2; });
        says(world, "kept");
    });
}

TEST_CASE("status: stays when it fails [custom_status_visible_on_failure]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            ctx.set_status("on the brink");
            co_await ctx.call<Echo>(1);
            raise(ErrorKind::invalid, "fell", "fell");
        });
        world.start_process();
        const auto row = run(world, "a", "o");
        CHECK(row.status == Status::failed);
        CHECK(row.custom_status == "on the brink");
    });
}

TEST_CASE("status: of one that never was [test_status_not_found]") {
    reporting([](World& world) {
        CHECK(world.await(world.client().get("nobody")).error().code == "orchestration_not_found");
        CHECK(world.await(world.client().wait("nobody", 1s)).error().code == "orchestration_not_found");
    });
}

TEST_CASE("status: a wait for the end that is given up is not woken by it") {
    reporting([](World& world) {
        begin(world, "a", "o");
        asio::cancellation_signal stop;
        bool given_up = false;
        asio::co_spawn(world.running().io, world.client().wait("a", 1min),
                       asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr e, Result<OrchestrationRow>) {
                           given_up = e != nullptr;
                       }));
        reach(world, "a", Status::running);
        stop.emit(asio::cancellation_type::terminal);
        world.until([&] { return given_up; });
        world.client().finished(get(world, "a"), true);
        world.cancel("a");
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("status: who waits gets the row as it is stored, but for its times, however it ended") {
    const auto ends = [](const std::string& what, const std::function<void(World&)>& end) {
        INFO(what);
        reporting([&](World& world) {
            world.start({.id = "a", .name = "o", .input = Json(), .tags = {{"team", "web"}}});
            world.signal("a", "say", "anew");
            world.signal("a", "say", "kept");
            says(world, "kept");
            std::optional<Result<OrchestrationRow>> told;
            asio::co_spawn(world.running().io, world.client().wait("a", 1min),
                           [&](std::exception_ptr e, Result<OrchestrationRow> row) {
                               if (e) std::rethrow_exception(e);
                               told = std::move(row);
                           });
            end(world);
            world.until([&] { return told.has_value(); });
            auto row = value_or_raise(*std::move(told));
            CHECK(is_finished(row.status));
            CHECK(row.finished_at.has_value());
            const auto stored = get(world, "a");
            row.created_at = stored.created_at;
            row.updated_at = stored.updated_at;
            row.finished_at = stored.finished_at;
            CHECK(encode(row) == encode(stored));
        });
    };
    ends("by itself", [](World& world) { world.signal("a", "say", "end"); });
    ends("cancelled", [](World& world) { world.cancel("a"); });
    ends("terminated", [](World& world) { value_or_raise(world.await(world.client().terminate("a", "enough"))); });
}

TEST_CASE("status: from pending to completed [test_status_lifecycle_transitions]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        CHECK(get(world, "a").finished_at == std::nullopt);
        reach(world, "a", Status::running);
        world.signal("a", "say", "end");
        CHECK(world.wait("a").status == Status::completed);
        CHECK(get(world, "a").finished_at.has_value());
    });
}

TEST_CASE("status: lists by name, status and prefix, a page at a time [test_instance_discovery]") {
    reporting([](World& world) {
        for (int i = 0; i < 7; ++i) run(world, fmt::format("q{}", i), "quick", i);
        begin(world, "a", "o");
        reach(world, "a", Status::running);
        const auto list = [&](OrchestrationFilter filter) {
            return value_or_raise(world.await(world.client().list(std::move(filter))));
        };
        CHECK(list({.name = "quick"}).size() == 7);
        CHECK(list({.status = Status::running}).size() == 1);
        CHECK(list({.id_prefix = "q"}).size() == 7);
        const auto page = list({.name = "quick", .limit = 3});
        REQUIRE(page.size() == 3);
        CHECK(page.front().id == "q6");
        CHECK(list({.name = "quick", .after_key = page.back().key, .limit = 3}).front().id == "q3");
    });
}

TEST_CASE("starts: an id is taken once, and the caller is told [hazard: a second start is silently ignored]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        const auto again = world.await(world.client().start({.id = "a", .name = "quick", .input = 2}));
        REQUIRE(!again);
        CHECK(again.error().code == "orchestration_exists");
        CHECK(again.error().kind == ErrorKind::conflict);
        CHECK(get(world, "a").name == "o");
    });
}

TEST_CASE("starts: use_existing joins the one that runs [runtime_duplicate_orchestration_deduped_single_execution]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        const auto again = value_or_raise(world.await(
            world.client().start({.id = "a", .name = "o", .input = {}, .on_conflict = OnConflict::use_existing})));
        CHECK(!again.created);
        world.signal("a", "say", "end");
        CHECK(world.wait("a").execution == 1);
    });
}

TEST_CASE("starts: use_existing finds the one that ended") {
    reporting([](World& world) {
        run(world, "a", "quick", 5);
        const auto again = value_or_raise(world.await(
            world.client().start({.id = "a", .name = "quick", .input = 6, .on_conflict = OnConflict::use_existing})));
        CHECK(!again.created);
        CHECK(again.status == Status::completed);
        CHECK(world.wait("a").output == 5);
    });
}

TEST_CASE("starts: replace_terminal leaves one that runs alone") {
    reporting([](World& world) {
        begin(world, "a", "o");
        reach(world, "a", Status::running);
        const auto again = value_or_raise(world.await(world.client().start(
            {.id = "a", .name = "quick", .input = 6, .on_conflict = OnConflict::replace_terminal})));
        CHECK(!again.created);
        world.signal("a", "say", "end");
        CHECK(world.wait("a").execution == 1);
    });
}

TEST_CASE("starts: replace_terminal begins anew, with nothing of the old [test_identity_reuse_after_delete]") {
    reporting([](World& world) {
        begin(world, "a", "o");
        world.signal("a", "say", "old status");
        world.signal("a", "say", "end", "key");
        world.wait("a");
        auto replace = StartRequest{.id = "a", .name = "o", .input = {}, .on_conflict = OnConflict::replace_terminal};
        world.start(replace);
        reach(world, "a", Status::running);
        CHECK(get(world, "a").custom_status.is_null());
        CHECK(get(world, "a").execution == 2);
        world.signal("a", "say", "end", "key");
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE("starts: the same request starts once, whatever has become of it") {
    reporting([](World& world) {
        const auto start = [&](const char* request, OnConflict on_conflict) {
            return world.await(world.client().start(
                {.id = "a", .name = "quick", .input = 6, .on_conflict = on_conflict, .request = request}));
        };
        CHECK(start("r", OnConflict::fail)->created);
        for (const auto policy : {OnConflict::fail, OnConflict::use_existing}) {
            const auto again = value_or_raise(start("r", policy));
            CHECK(!again.created);
            CHECK(again.repeated);
        }
        CHECK(start("", OnConflict::fail).error().code == "orchestration_exists");
        CHECK(start("s", OnConflict::fail).error().code == "orchestration_exists");
        CHECK(!start("s", OnConflict::use_existing)->repeated);
        world.wait("a");
        CHECK(start("r", OnConflict::replace_terminal)->repeated);
        CHECK(start("t", OnConflict::replace_terminal)->created);
        CHECK(world.wait("a").execution == 2);
        CHECK(start("r", OnConflict::fail).error().code == "orchestration_exists");
        CHECK(start("t", OnConflict::fail)->repeated);
    });
}

TEST_CASE("starts: many at once for one id make one") {
    reporting([](World& world) {
        int made = 0;
        int refused = 0;
        for (int i = 0; i < 20; ++i)
            asio::co_spawn(
                world.running().io, world.client().start({.id = "a", .name = "quick", .input = i}),
                [&](std::exception_ptr, const Result<StartOutcome>& outcome) { ++(outcome ? made : refused); });
        world.until([&] { return made + refused == 20; });
        CHECK(made == 1);
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE("detached: lives on when its parent has ended [sample_detached_orchestration_scheduling]") {
    reporting([](World& world) {
        world.stop(world.running());
        define(world, "p", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"o">>("a", 1);
            co_return Json();
        });
        world.start_process();
        run(world, "p", "p");
        world.signal("a", "say", "end");
        CHECK(world.wait("a").status == Status::completed);
        CHECK(recorded(world, "p", EventKind::child_completed) == 0);
    });
}

TEST_CASE("detached: conflict policy fail") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"quick">>("d", 1, OnConflict::fail);
            co_return (co_await ctx.attempt(ctx.detach<Named<"quick">>("d", 2, OnConflict::fail))).error().code;
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        CHECK(run(world, "a", "o").output == "orchestration_exists");
        CHECK(world.wait("d").output == 1);
    });
}

TEST_CASE("detached: conflict policy use_existing") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"quick">>("d", 1, OnConflict::use_existing);
            co_await ctx.detach<Named<"quick">>("d", 2, OnConflict::use_existing);
            co_return Json();
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        CHECK(run(world, "a", "o").status == Status::completed);
        CHECK(world.wait("d").output == 1);
    });
}

TEST_CASE("detached: conflict policy replace_terminal") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"quick">>("d", 2, OnConflict::replace_terminal);
            co_return Json();
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        run(world, "d", "quick", 1);
        run(world, "a", "o");
        const auto row = world.wait("d");
        CHECK(row.execution == 2);
        world.until([&] { return get(world, "d").status == Status::completed; });
        CHECK(get(world, "d").output == 2);
    });
}

TEST_CASE("detached: one that nobody awaits is started all the same, once") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto unheard = ctx.detach<Named<"quick">>("d", 1);
            }
            co_return Json();
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        run(world, "a", "o");
        CHECK(world.wait("d").output == 1);
        CHECK(get(world, "d").execution == 1);
    });
}

TEST_CASE("detached: is not cancelled with its parent") {
    reporting([](World& world) {
        world.stop(world.running());
        define(world, "p", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"o">>("a", 1);
            co_return co_await ctx.wait<Json>("never");
        });
        world.start_process();
        begin(world, "p", "p");
        world.until_recorded("p", EventKind::wait_started);
        world.cancel("p");
        CHECK(world.wait("p").status == Status::cancelled);
        world.signal("a", "say", "end");
        CHECK(world.wait("a").status == Status::completed);
    });
}
