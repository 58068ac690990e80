// Poison and weight: code that throws, payloads that cannot be read or stored, very large ones, very many.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

struct Typed {
    static constexpr std::string_view name = "typed";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        const auto more = co_await ctx.wait<Number>("number");
        co_return Number{in.value + more.value};
    }
};

struct TypedEcho {
    static constexpr std::string_view name = "echo";
    using Input = Json;
    using Output = Number;
};

struct TakesNumber {
    static constexpr std::string_view name = "takes_number";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext&, Number in) { co_return in; }
};
struct StepsByNumber {
    static constexpr std::string_view name = "steps_by_number";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(StepContext&, Number in) { co_return in; }
};

constexpr std::size_t megabyte = 1 << 20;

void alone(Code code, const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        define(world, "o", code);
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.orchestrations.add<Typed>();
        world.start_process();
        test(world);
        CHECK(run(world, "well", "quick", 1).output == 1);  // the process is none the worse for it
    });
}

Task<Json> echoes(Ctx& ctx, Json in) { co_return co_await ctx.call<Echo>(in); }

}  // namespace

TEST_CASE("poison: code that throws at once fails [orchestration_panic_is_caught_and_fails_with_message]") {
    alone(
        [](Ctx&, Json) -> Task<Json> {
            throw std::runtime_error("out of cheese");
            co_return Json();
        },
        [](World& world) {
            const auto row = run(world, "a", "o");
            CHECK(row.status == Status::failed);
            CHECK(row.error.at("message") == "out of cheese");
        });
}

TEST_CASE("poison: code that throws what is no exception fails [panic_other]") {
    alone(
        [](Ctx&, Json) -> Task<Json> {
            throw 5;
            co_return Json();
        },
        [](World& world) { CHECK(run(world, "a", "o").error.at("code") == "unexpected"); });
}

TEST_CASE("poison: code that throws after a wait fails, and what was open is stopped [panic_during_await]") {
    alone(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto open = ctx.call<Hang>(1);
            co_await ctx.sleep(5ms);
            throw std::runtime_error("later");
        },
        [](World& world) {
            CHECK(run(world, "a", "o").status == Status::failed);
            world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
        });
}

TEST_CASE("poison: an activity that throws is not tried again, its words are kept [e2e_activity_item_poison]") {
    everywhere([](World& world) {
        activity(world, "throws", [](ActivityContext&, Json) -> asio::awaitable<Json> {
            ++lab().runs["throws"];
            throw std::logic_error("impossible");
            co_return Json();
        });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Named<"throws">>(1); });
        world.start_process();
        CHECK(run(world, "a", "o").error.at("message") == "impossible");
        CHECK(lab().runs["throws"] == 1);
    });
}

TEST_CASE("poison: one poisoned activity among many [e2e_one_poisoned_activity_among_many]") {
    alone(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 10; ++i) all.push_back(ctx.call<Echo>(i));
            const auto bad = co_await ctx.attempt(ctx.call<Fail>({{"kind", "internal"}, {"code", "bad"}}));
            co_return Json{bad.error().code, (co_await ctx.all(std::move(all))).size()};
        },
        [](World& world) { CHECK(run(world, "a", "o").output == Json{"bad", 10}); });
}

TEST_CASE("poison: an activity that nobody knows parks it until it is known [unknown_activity_fails_with_poison]") {
    alone(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto lost = ctx.call<Named<"lost">>(1);
            co_await ctx.wait<Json>("go");
            co_return co_await std::move(lost);
        },
        [](World& world) {
            begin(world, "a", "o");
            CHECK(parked(world, "a") == "unknown_activity: no activity lost is known to this release");
            world.signal("a", "go", 1);  // changes nothing about it
            pass(world, 20ms);
            CHECK(parked(world, "a").starts_with("unknown_activity"));
            world.stop(world.running());
            activity(world, "lost", [](ActivityContext&, Json) -> asio::awaitable<Json> { co_return Json("found"); });
            world.start_process();
            CHECK(world.wait("a").output == "found");
        });
}

TEST_CASE("poison: an input that cannot be read parks it, with the field's path") {
    alone(echoes, [](World& world) {
        begin(world, "a", "typed", {{"value", "a word"}});
        const auto reason = parked(world, "a");
        CHECK(reason.starts_with("undecodable_payload: "));
        CHECK(reason.find("value") != std::string::npos);
        value_or_raise(world.await(world.client().terminate("a", "wrong")));
        CHECK(world.wait("a").status == Status::terminated);
    });
}

TEST_CASE("poison: an activity or a step whose input cannot be read parks it, and nothing has failed") {
    everywhere([](World& world) {
        world.activities.add<TakesNumber>();
        world.activities.add_step<StepsByNumber>();
        define(world, "calls", [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Named<"takes_number">>({{"value", "a word"}});
        });
        define(world, "steps", [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.transact<Named<"steps_by_number">>({{"value", "a word"}});
        });
        world.start_process();
        for (const auto* name : {"calls", "steps"}) {
            begin(world, name, name);
            CHECK(parked(world, name).starts_with("undecodable_payload: the input of "));
            restart(world);
            CHECK(parked(world, name).starts_with("undecodable_payload: "));
            CHECK(recorded(world, name, EventKind::activity_failed) + recorded(world, name, EventKind::step_failed) ==
                  0);
            value_or_raise(world.await(world.client().terminate(name, "wrong")));
            CHECK(world.wait(name).status == Status::terminated);
        }
    });
}

TEST_CASE("poison: a signal that cannot be read parks it, and is not lost [typed_event_decode_error]") {
    everywhere([](World& world) {
        world.orchestrations.add<Typed>();
        world.start_process();
        world.start({.id = "a", .name = "typed", .input = {{"value", 1}}});
        world.until_recorded("a", EventKind::wait_started);
        world.signal("a", "number", "three");
        CHECK(parked(world, "a").starts_with("undecodable_payload: "));
        CHECK(recorded(world, "a", EventKind::signal_received) == 0);
        deploy(world, "typed", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("number"); });
        CHECK(world.wait("a").output == "three");
    });
}

TEST_CASE("poison: an answer that cannot be read parks it [typed_activity_decode_error]") {
    alone(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.call<TypedEcho>("not a number"));
            co_return got ? got->value : -1;
        },
        [](World& world) {
            begin(world, "a", "o");
            CHECK(parked(world, "a").starts_with("undecodable_payload: "));
            deploy(world, "o", echoes);
            define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
            world.until([&] { return parked(world, "a").starts_with("nondeterminism: "); });
        });
}

TEST_CASE("poison: an error message that is not UTF-8 is no reason to fall over") {
    everywhere([](World& world) {
        activity(world, "mumbles", [](ActivityContext&, Json) -> asio::awaitable<Json> {
            raise(ErrorKind::invalid, "mumbled", "it said \xff\xfe and \xc3");
            co_return Json();
        });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.call<Named<"mumbles">>(1));
            ctx.set_status(got.error().message);
            throw ErrorException(got.error());
        });
        world.start_process();
        const auto row = run(world, "a", "o");
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "mumbled");
    });
}

TEST_CASE("poison: a text that the database refuses parks its orchestration and no other") {
    on_postgres([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            const auto said = co_await ctx.wait<Json>("go");
            if (lab().open) co_return said;
            co_return std::string("a\0b", 3);
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        for (int i = 0; i < 5; ++i) begin(world, fmt::format("p{}", i), "o");
        for (int i = 0; i < 5; ++i) world.signal(fmt::format("p{}", i), "go", i);
        for (int i = 0; i < 20; ++i) begin(world, fmt::format("q{}", i), "quick", i);
        for (int i = 0; i < 20; ++i) CHECK(world.wait(fmt::format("q{}", i)).output == i);
        for (int i = 0; i < 5; ++i) CHECK(parked(world, fmt::format("p{}", i)).starts_with("sql_error"));
        lab().open = true;
        restart(world);
        for (int i = 0; i < 5; ++i) CHECK(world.wait(fmt::format("p{}", i)).output == i);
    });
}

TEST_CASE("payloads: empty ones of every kind [empty_activity_input]") {
    alone(
        [](Ctx& ctx, Json) -> Task<Json> {
            Json out = Json::array();
            for (const auto& value : {Json(""), Json::array(), Json::object(), Json(0), Json(false)})
                out.push_back(co_await ctx.call<Echo>(value));
            co_return out;
        },
        [](World& world) { CHECK(run(world, "a", "o").output == Json{"", Json::array(), Json::object(), 0, false}); });
}

TEST_CASE("payloads: every script and sign [special_characters]") {
    alone(echoes, [](World& world) {
        const Json text = "tab\t line\n quote\" back\\ slash/ {json} $1 '; DROP -- Ωμέγα 漢字 🐘";
        CHECK(run(world, "a", "o", text).output == text);
    });
}

TEST_CASE("payloads: numbers at their limits") {
    alone(echoes, [](World& world) {
        const Json values{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), 0.1,
                          -1e300};
        CHECK(run(world, "a", "o", values).output == values);
    });
}

TEST_CASE("payloads: nearly a megabyte, in and out [large_result_string]") {
    alone(echoes, [](World& world) {
        const std::string text(megabyte - 1000, 'x');
        CHECK(run(world, "a", "o", text).output == text);
    });
}

TEST_CASE("payloads: a start above a megabyte is refused") {
    alone(echoes, [](World& world) {
        const auto refused =
            world.await(world.client().start({.id = "a", .name = "o", .input = std::string(megabyte + 1, 'x')}));
        REQUIRE(!refused);
        CHECK(refused.error().code == "payload_too_large");
        CHECK(refused.error().kind == ErrorKind::invalid);
    });
}

TEST_CASE("payloads: a signal above a megabyte is refused") {
    alone([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("go"); },
          [](World& world) {
              begin(world, "a", "o");
              const auto refused = world.await(world.client().signal("a", "go", std::string(megabyte + 1, 'x')));
              REQUIRE(!refused);
              CHECK(refused.error().code == "payload_too_large");
              world.signal("a", "go", "small");
              CHECK(world.wait("a").output == "small");
          });
}

TEST_CASE("payloads: an activity's answer above a megabyte is its failure") {
    everywhere([](World& world) {
        activity(world, "verbose",
                 [](ActivityContext&, Json) -> asio::awaitable<Json> { co_return std::string(megabyte + 1, 'x'); });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_return (co_await ctx.attempt(ctx.call<Named<"verbose">>(1))).error().code;
        });
        world.start_process();
        CHECK(run(world, "a", "o").output == "payload_too_large");
    });
}

TEST_CASE("payloads: an input above a megabyte fails the orchestration that gives it") {
    alone([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Echo>(std::string(megabyte + 1, 'x')); },
          [](World& world) {
              const auto row = run(world, "a", "o");
              CHECK(row.status == Status::failed);
              CHECK(row.error.at("code") == "payload_too_large");
          });
}

TEST_CASE("payloads: an output above a megabyte fails the orchestration") {
    alone([](Ctx&, Json) -> Task<Json> { co_return std::string(megabyte + 1, 'x'); },
          [](World& world) { CHECK(run(world, "a", "o").error.at("code") == "payload_too_large"); });
}

TEST_CASE("fan-in: 10,000 activities are joined, none lost and none twice [hang at 1024]") {
    for (const auto kind : {StoreKind::memory, StoreKind::postgres}) {
        log::set_level("off");
        World world(kind, false);
        activity(world, "echo", [](ActivityContext&, Json in) -> asio::awaitable<Json> { co_return in; });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 10'000; ++i) all.push_back(ctx.call<Echo>(i));
            std::int64_t sum = 0;
            for (const auto& one : co_await ctx.all(std::move(all))) sum += one.get<int>();
            co_return sum;
        });
        world.start_process();
        const auto began = std::chrono::steady_clock::now();
        CHECK(run(world, "a", "o").output == 10'000LL * 9'999 / 2);
        const auto took = std::chrono::steady_clock::now() - began;
        CHECK(recorded(world, "a", EventKind::activity_completed) == 10'000);
        WARN("10,000 activities took " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms");
    }
}

TEST_CASE("fan-in: 1,000 activities, every turn replayed") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 1'000; ++i) all.push_back(ctx.call<Echo>(i));
            co_return (co_await ctx.all(std::move(all))).size();
        });
        world.start_process();
        CHECK(run(world, "a", "o").output == 1'000);
        CHECK(lab().runs["echo"] == 1'000);
    });
}

TEST_CASE("fan-in: 200 children") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 200; ++i) all.push_back(ctx.child<Named<"quick">>(i));
            co_return (co_await ctx.all(std::move(all))).size();
        });
        define(world, "quick", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        CHECK(run(world, "a", "o").output == 200);
    });
}
