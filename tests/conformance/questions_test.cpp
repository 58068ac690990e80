// Queries and updates: answers from the live state, across processes, restarts and replays.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// Adds up what updates bring until it is told to stop; continues as new after every `span` of them.
Task<Json> adds(Ctx& ctx, Json in) {
    auto total = in["total"].get<int>();
    int taken = 0;
    const auto asked = ctx.on_query<Json>(
        "total", [&](const Json& factor) { return total * (factor.is_number() ? factor.get<int>() : 1); });
    const auto added = ctx.on_update<int>(
        "add",
        [&](int amount) {
            if (amount < 0) raise(ErrorKind::invalid, "negative", fmt::format("{} is negative", amount));
        },
        [&](int amount) {
            total += amount;
            if (amount == 13) raise(ErrorKind::conflict, "unlucky", "13 was added all the same");
            if (++taken == in["span"].get<int>()) ctx.post("full", Json());
            return total;
        });
    auto stop = ctx.wait<Json>("stop");
    auto full = ctx.wait<Json>("full");
    const auto first = co_await ctx.any(std::move(stop), std::move(full));
    if (first.index == 1) {
        in["total"] = total;
        ctx.continue_as_new(in);
    }
    co_return total;
}

Json sum(int total, int span = 1000) { return {{"total", total}, {"span", span}}; }

Json ask(World& world, const std::string& name, Json input = Json()) {
    return value_or_raise(world.await(world.client().query("a", name, std::move(input))));
}
Json add(World& world, int amount, const std::string& request = {}) {
    return value_or_raise(world.await(world.client().update("a", "add", amount, request)));
}
std::string refused(World& world, const std::string& name, Json input = Json()) {
    const auto out = world.await(world.client().query("a", name, std::move(input)));
    return out ? "answered " + out->dump() : out.error().code;
}
std::string not_added(World& world, Json amount, const std::string& request = {}) {
    const auto out = world.await(world.client().update("a", "add", std::move(amount), request));
    return out ? "answered " + out->dump() : out.error().code;
}

void with_sum(const std::function<void(World&)>& test, int span = 1000) {
    everywhere([&](World& world) {
        define(world, "adds", adds);
        world.start_process();
        begin(world, "a", "adds", sum(5, span));
        world.until_recorded("a", EventKind::wait_started, 2);
        test(world);
    });
}

}  // namespace

TEST_CASE("queries: answered from the live state, and nothing is recorded") {
    with_sum([](World& world) {
        const auto before = get(world, "a").next_event;
        CHECK(ask(world, "total") == 5);
        CHECK(ask(world, "total", 3) == 15);
        CHECK(get(world, "a").next_event == before);
        world.signal("a", "stop", Json());
        CHECK(world.wait("a").output == 5);
    });
}

TEST_CASE("queries: what there is nobody to answer is an error that says so") {
    with_sum([](World& world) {
        CHECK(refused(world, "sum") == "no_such_query");
        const auto out = world.await(world.client().query("a", "sum", Json()));
        CHECK(out.error().message == "it does not answer to sum; it answers to: total");
        CHECK(world.await(world.client().query("b", "total", Json())).error().code == "orchestration_not_found");
        world.signal("a", "stop", Json());
        world.wait("a");
        CHECK(refused(world, "total") == "orchestration_finished");
    });
}

TEST_CASE("queries: code that answers may do nothing") {
    everywhere([](World& world) {
        define(world, "meddler", [](Ctx& ctx, Json) -> Task<Json> {
            const auto a =
                ctx.on_query<Json>("sleeps", [&](const Json&) { return std::ignore = ctx.sleep(1ms), Json(); });
            const auto b = ctx.on_query<Json>("draws", [&](const Json&) { return Json(ctx.random()); });
            const auto c = ctx.on_query<Json>("tells", [&](const Json&) { return ctx.set_status(1), Json(); });
            const auto d = ctx.on_query<Json>("posts", [&](const Json&) { return ctx.post("go", 1), Json(); });
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "meddler");
        world.until_recorded("a", EventKind::wait_started);
        for (const auto* name : {"sleeps", "draws", "tells", "posts"}) CHECK(refused(world, name) == "query_acts");
        world.signal("a", "go", 7);
        CHECK(world.wait("a").output == 7);
    });
}

TEST_CASE("queries: one that comes before the first turn finds what the code made of its input") {
    everywhere([](World& world) {
        define(world, "adds", adds);
        world.start_process();
        begin(world, "a", "adds", sum(8));
        CHECK(ask(world, "total") == 8);
    });
}

TEST_CASE("updates: checked, recorded and answered") {
    with_sum([](World& world) {
        CHECK(add(world, 2) == 7);
        CHECK(add(world, 3) == 10);
        CHECK(recorded(world, "a", EventKind::update_received) == 2);
        CHECK(ask(world, "total") == 10);
        world.signal("a", "stop", Json());
        CHECK(world.wait("a").output == 10);
    });
}

TEST_CASE("updates: one that the code refuses leaves no trace") {
    with_sum([](World& world) {
        const auto before = get(world, "a").next_event;
        CHECK(not_added(world, -1) == "negative");
        CHECK(not_added(world, "two") == "invalid_field");
        CHECK(world.await(world.client().update("a", "subtract", 1)).error().code == "no_such_update");
        CHECK(get(world, "a").next_event == before);
        CHECK(ask(world, "total") == 5);
    });
}

TEST_CASE("updates: one that fails when it is applied is recorded with what it did") {
    with_sum([](World& world) {
        CHECK(not_added(world, 13) == "unlucky");
        CHECK(recorded(world, "a", EventKind::update_received) == 1);
        CHECK(ask(world, "total") == 18);
        crash(world);
        CHECK(ask(world, "total") == 18);
    });
}

TEST_CASE("updates: a repeated request is answered as it was, and done once") {
    with_sum([](World& world) {
        CHECK(add(world, 2, "r1") == 7);
        CHECK(add(world, 2, "r1") == 7);
        crash(world);
        CHECK(add(world, 2, "r1") == 7);
        CHECK(add(world, 2, "r2") == 9);
        CHECK(recorded(world, "a", EventKind::update_received) == 2);
    });
}

TEST_CASE("updates: the request id is remembered when its answer is not") {
    on_postgres([](World& world) {
        define(world, "adds", adds);
        world.start_process();
        begin(world, "a", "adds", sum(5));
        CHECK(add(world, 2, "r1") == 7);
        sql(world, "UPDATE answers SET at = at - interval '61 minutes'");
        value_or_raise(world.await(world.client().prune({})));
        CHECK(sql_value(world, "SELECT count(*) FROM answers") == "0");
        CHECK(not_added(world, 2, "r1") == "update_repeated");
        CHECK(ask(world, "total") == 7);
    });
}

TEST_CASE("updates: state and handlers are there again after a takeover, in the same order") {
    with_sum([](World& world) {
        for (int i = 1; i <= 5; ++i) {
            add(world, i);
            if (i % 2 == 0) crash(world);
        }
        restart(world);
        CHECK(ask(world, "total") == 20);
        world.signal("a", "stop", Json());
        CHECK(world.wait("a").output == 20);
    });
}

TEST_CASE("updates: what one posts wakes the code that waits, and request ids go along as it continues as new") {
    with_sum(
        [](World& world) {
            CHECK(add(world, 1, "r1") == 6);
            CHECK(add(world, 1, "r2") == 7);  // full
            CHECK(add(world, 1, "r3") == 8);
            CHECK(add(world, 1, "r1") == 6);
            CHECK(get(world, "a").execution == 2);
            CHECK(ask(world, "total") == 8);
        },
        2);
}

TEST_CASE("updates: many at once are taken one after the other") {
    with_sum([](World& world) {
        std::vector<int> answers;
        for (int i = 0; i < 50; ++i)
            asio::co_spawn(world.running().io, world.client().update("a", "add", 1),
                           [&](std::exception_ptr, const Result<Json>& out) { answers.push_back(out->get<int>()); });
        world.until([&] { return answers.size() == 50; });
        std::ranges::sort(answers);
        for (int i = 0; i < 50; ++i) CHECK(answers[static_cast<std::size_t>(i)] == 6 + i);
    });
}

TEST_CASE("questions: to a process that does not own it") {
    everywhere([](World& world) {
        define(world, "adds", adds);
        world.start_process();
        begin(world, "a", "adds", sum(5));
        auto& other = world.start_process();
        std::optional<Result<Json>> out;
        for (auto* process : {&world.running(), &other}) {
            out.reset();
            asio::co_spawn(process->io, process->client->update("a", "add", 1),
                           [&](std::exception_ptr, Result<Json> answer) { out = std::move(answer); });
            world.until([&] { return out.has_value(); });
            CHECK(out->has_value());
        }
        CHECK(ask(world, "total") == 7);
    });
}

TEST_CASE("questions: paused, it can be looked at and not changed") {
    with_sum([](World& world) {
        value_or_raise(world.await(world.client().pause("a")));
        reach(world, "a", Status::paused);
        CHECK(ask(world, "total") == 5);
        CHECK(not_added(world, 1) == "orchestration_paused");
        crash(world);
        CHECK(ask(world, "total") == 5);
        value_or_raise(world.await(world.client().resume("a")));
        CHECK(add(world, 1) == 6);
    });
}

TEST_CASE("questions: parked, it says why it cannot answer, and nothing has happened") {
    with_sum([](World& world) {
        add(world, 1);
        deploy(world, "adds", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("other"); });
        const auto out = world.await(world.client().update("a", "add", 1));
        REQUIRE_FALSE(out);
        CHECK(out.error().code == "orchestration_stuck");
        CHECK(out.error().message.find("event ") != std::string::npos);
        CHECK(refused(world, "total") == "orchestration_stuck");
        deploy(world, "adds", adds);
        value_or_raise(world.await(world.client().resume("a")));
        CHECK(ask(world, "total") == 6);
    });
}

TEST_CASE("questions: terminated while paused, with a question on its way before or after, it is not changed") {
    everywhere([](World& world) {
        define(world, "adds", adds);
        world.start_process();
        for (const bool question_first : {true, false}) {
            const std::string id = question_first ? "a" : "b";
            begin(world, id, "adds", sum(5));
            world.until_recorded(id, EventKind::wait_started, 2);
            value_or_raise(world.await(world.client().pause(id)));
            reach(world, id, Status::paused);
            std::optional<Result<Json>> out;
            const auto question = [&] {
                asio::co_spawn(world.running().io, world.client().update(id, "add", 1),
                               [&](std::exception_ptr, Result<Json> answer) { out = std::move(answer); });
            };
            if (question_first) question();
            asio::co_spawn(world.running().io, world.client().terminate(id, "away"), asio::detached);
            if (!question_first) question();
            world.until([&] { return out.has_value(); });
            REQUIRE_FALSE(*out);
            CHECK(((*out).error().code == "orchestration_finished" || (*out).error().code == "orchestration_paused"));
            CHECK(world.wait(id).status == Status::terminated);
            CHECK(world.kinds(id).find("update_received") == std::string::npos);
        }
    });
}

TEST_CASE("updates: a code without the handler does not match a history that has one") {
    with_sum([](World& world) {
        add(world, 1);
        deploy(world, "adds", [](Ctx& ctx, Json) -> Task<Json> {
            auto stop = ctx.wait<Json>("stop");
            auto full = ctx.wait<Json>("full");
            co_await ctx.any(std::move(stop), std::move(full));
            co_return 0;
        });
        world.signal("a", "stop", Json());
        CHECK(parked(world, "a").find("update_received") != std::string::npos);
    });
}

TEST_CASE("updates: a reset takes later ones in again") {
    with_sum([](World& world) {
        add(world, 2);
        add(world, 3);
        world.signal("a", "stop", Json());
        CHECK(world.wait("a").output == 10);
        value_or_raise(world.await(world.client().reset("a", 4)));
        world.until_recorded("a", EventKind::completed);
        CHECK(world.wait("a").output == 10);
        CHECK(get(world, "a").execution == 2);
    });
}
