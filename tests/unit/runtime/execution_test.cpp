#include "runtime/core/execution.hpp"

#include "runtime/core/registry.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::runtime;
using namespace std::chrono_literals;

namespace {

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

struct Double {
    static constexpr std::string_view name = "test.double";
    using Input = Number;
    using Output = Number;
};

using Body = std::function<Task<Json>(OrchestrationContext&, Json)>;

// Drives one body by hand and replays its whole history after each arrival: every test is a determinism test too.
class Driver {
  public:
    explicit Driver(Body body) : type_{"test", 1, std::move(body)}, execution_(fresh()) {
        arrive({.kind = EventKind::started, .payload = {{"value", 1}}});
    }

    bool arrive(Event event) {
        clock_ += 1s;
        event.at = clock_;
        const bool taken = execution_->deliver(event);
        for (auto& e : execution_->take_new_events()) history.push_back(std::move(e));
        auto again = fresh();
        const auto replayed = again->replay(history);
        INFO((replayed ? std::string() : replayed.error().message));
        REQUIRE(replayed.has_value());
        CHECK(again->next_position() == execution_->next_position());
        execution_ = std::move(again);
        return taken;
    }
    bool complete(std::int64_t of, Json output) {
        return arrive({.kind = EventKind::activity_completed, .of = of, .payload = std::move(output)});
    }
    bool fire(std::int64_t of) { return arrive({.kind = EventKind::timer_fired, .of = of}); }
    bool signal(std::string name, Json payload, std::string dedup = {}) {
        return arrive({.kind = EventKind::signal_received,
                       .name = std::move(name),
                       .target = std::move(dedup),
                       .payload = std::move(payload)});
    }
    bool cancel() { return arrive({.kind = EventKind::cancel_requested, .payload = "enough"}); }

    std::string kinds() const {
        std::string out;
        for (const auto& e : history) out += (out.empty() ? "" : " ") + enum_name(e.kind);
        return out;
    }
    Json result() const {
        REQUIRE(execution_->terminal());
        return execution_->terminal()->payload;
    }
    EventKind ended_as() const {
        REQUIRE(execution_->terminal());
        return execution_->terminal()->kind;
    }
    bool ended() const { return execution_->terminal().has_value(); }

    std::vector<Event> history;

  private:
    std::unique_ptr<Execution> fresh() { return std::make_unique<Execution>(type_, Identity{"id", 1, 1}); }

    OrchestrationType type_;
    Timestamp clock_{std::chrono::seconds(1'000'000)};
    std::unique_ptr<Execution> execution_;
};

Task<Json> two_calls(OrchestrationContext& ctx, Json in) {
    const auto a = co_await ctx.call<Double>({.value = in.at("value").get<int>()});
    const auto b = co_await ctx.call<Double>({.value = a.value});
    co_return Json(b.value);
}

Task<Json> race(OrchestrationContext& ctx, Json) {
    auto won = co_await ctx.any(ctx.wait<int>("go"), ctx.sleep(10s));
    if (won.index == 1) co_return Json("timeout");
    co_return Json(std::get<0>(won.value));
}

}  // namespace

TEST_CASE("execution: sequential calls end with the last answer") {
    Driver d(two_calls);
    CHECK(d.complete(2, {{"value", 2}}));
    CHECK(d.complete(4, {{"value", 4}}));
    CHECK(d.result() == 4);
    CHECK(d.kinds() == "started activity_scheduled activity_completed activity_scheduled activity_completed completed");
}

TEST_CASE("execution: a late or repeated answer leaves no trace") {
    Driver d(two_calls);
    d.complete(2, {{"value", 2}});
    const auto before = d.history.size();
    CHECK_FALSE(d.complete(2, {{"value", 3}}));
    CHECK_FALSE(d.complete(99, {{"value", 3}}));
    CHECK_FALSE(d.fire(4));
    CHECK(d.history.size() == before);
}

TEST_CASE("execution: a failed call is thrown with its code") {
    Driver d(two_calls);
    d.arrive({.kind = EventKind::activity_failed,
              .of = 2,
              .payload = to_json_value(Error{ErrorKind::conflict, "taken", "no"})});
    CHECK(d.ended_as() == EventKind::failed);
    CHECK(d.result().at("code") == "taken");
}

TEST_CASE("any: the earliest in recorded order wins and the loser is cancelled") {
    Driver signal_first(race);
    signal_first.signal("go", 7);
    CHECK(signal_first.result() == 7);
    CHECK(signal_first.kinds() == "started wait_started timer_created signal_received cancelled completed");
    Driver timer_first(race);
    timer_first.fire(3);
    CHECK(timer_first.result() == "timeout");
}

TEST_CASE("wait: signals are kept in order before anybody waits") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        co_await ctx.sleep(1s);
        const auto a = co_await ctx.wait<int>("s");
        const auto b = co_await ctx.wait<int>("s");
        co_return Json({a, b});
    });
    d.signal("s", 1);
    d.signal("s", 2);
    d.signal("other", 9);
    d.fire(2);
    CHECK(d.result() == Json({1, 2}));
}

TEST_CASE("wait: a signal that a lost race had taken goes back to the mailbox") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        auto timer = ctx.sleep(1s);
        auto first = ctx.wait<int>("s");
        co_await std::move(timer);
        {
            auto lost = std::move(first);
        }
        co_return Json(co_await ctx.wait<int>("s"));
    });
    d.signal("s", 5);
    d.fire(2);
    CHECK(d.result() == 5);
}

TEST_CASE("wait: a repeated dedup key is recorded once") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        const auto a = co_await ctx.wait<int>("s");
        const auto b = co_await ctx.wait<int>("s");
        co_return Json({a, b});
    });
    CHECK(d.signal("s", 1, "k1"));
    CHECK_FALSE(d.signal("s", 1, "k1"));
    CHECK_FALSE(d.ended());
    CHECK(d.signal("s", 2, "k2"));
    CHECK(d.result() == Json({1, 2}));
}

TEST_CASE("all: answers in the order of the arguments, whatever order they came in") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        std::vector<Future<Number>> futures;
        for (int i = 0; i < 3; ++i) futures.push_back(ctx.call<Double>({.value = i}));
        Json out = Json::array();
        for (const auto& n : co_await ctx.all(std::move(futures))) out.push_back(n.value);
        co_return out;
    });
    d.complete(4, {{"value", 30}});
    d.complete(2, {{"value", 10}});
    d.complete(3, {{"value", 20}});
    CHECK(d.result() == Json({10, 20, 30}));
}

TEST_CASE("all: the first failure ends it and the open ones are cancelled") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        std::vector<Future<Number>> futures;
        for (int i = 0; i < 3; ++i) futures.push_back(ctx.call<Double>({.value = i}));
        co_await ctx.all(std::move(futures));
        co_return Json();
    });
    d.arrive(
        {.kind = EventKind::activity_failed, .of = 3, .payload = to_json_value(Error{ErrorKind::internal, "b", "b"})});
    CHECK(d.result().at("code") == "b");
    CHECK(d.kinds().ends_with("activity_failed cancelled cancelled failed"));
}

TEST_CASE("first_of: a loop over futures takes them as they come") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        std::vector<Future<Number>> futures;
        for (int i = 0; i < 3; ++i) futures.push_back(ctx.call<Double>({.value = i}));
        Json out = Json::array();
        while (!futures.empty()) {
            const auto i = co_await ctx.first_of(futures);
            out.push_back((co_await std::move(futures[i])).value);
            futures.erase(futures.begin() + static_cast<std::ptrdiff_t>(i));
        }
        co_return out;
    });
    d.complete(4, {{"value", 30}});
    d.complete(2, {{"value", 10}});
    d.complete(3, {{"value", 20}});
    CHECK(d.result() == Json({30, 10, 20}));
}

TEST_CASE("cancellation: interrupts the present wait; a shielded clean-up runs to its end") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        const auto made = co_await ctx.attempt(ctx.call<Double>({.value = 1}));
        if (!made) {
            auto shield = ctx.shield();
            co_await ctx.call<Double>({.value = -1});
            throw ErrorException(made.error());
        }
        co_return Json();
    });
    CHECK(d.cancel());
    CHECK_FALSE(d.cancel());
    CHECK(d.kinds() == "started activity_scheduled cancel_requested cancelled activity_scheduled");
    d.complete(5, {{"value", 0}});
    CHECK(d.ended_as() == EventKind::failed);
    CHECK(d.result().at("kind") == "cancelled");
    CHECK(d.result().at("message") == "enough");
}

TEST_CASE("cancellation: within a shield it is delivered at the first wait after it") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        {
            auto shield = ctx.shield();
            co_await ctx.sleep(1s);
        }
        co_await ctx.sleep(1s);
        co_return Json("not cancelled");
    });
    d.cancel();
    CHECK_FALSE(d.ended());
    d.fire(2);
    CHECK(d.result().at("kind") == "cancelled");
}

namespace {
struct Child {
    static constexpr std::string_view name = "child";
    using Input = Number;
    using Output = Number;
};
}  // namespace

TEST_CASE("cancellation: a child that is waited for ends first") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        co_await ctx.child<Child>({.value = 1}, {.id = "c"});
        co_return Json();
    });
    d.cancel();
    CHECK(d.kinds() == "started child_scheduled cancel_requested child_cancelled");
    CHECK_FALSE(d.ended());
    d.arrive({.kind = EventKind::child_failed,
              .of = 2,
              .payload = to_json_value(Error{ErrorKind::cancelled, "cancelled", "enough"})});
    CHECK(d.result().at("kind") == "cancelled");
}

TEST_CASE("continue_as_new: signals that nobody took are carried whole") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        co_await ctx.sleep(1s);
        ctx.continue_as_new(Number{2});
        co_return Json();
    });
    d.signal("a", 1, "k");
    d.signal("b", 2);
    d.fire(2);
    REQUIRE(d.ended_as() == EventKind::continued_as_new);
    const auto& last = d.history.back();
    CHECK(last.payload == Json({{"value", 2}}));
    CHECK(last.options.at("carried").size() == 2);
    CHECK(last.options.at("seen") == Json({"k"}));
}

TEST_CASE("status: recorded when it changes, and only then") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        ctx.set_status("one");
        ctx.set_status("one");
        ctx.set_status("two");
        co_return Json();
    });
    CHECK(d.kinds() == "started status_set status_set completed");
}

TEST_CASE("time and randomness: the same in every replay") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        const auto before = ctx.uuid();
        const auto a = ctx.now();
        co_await ctx.sleep(1s);
        co_return Json({before, ctx.uuid(), (ctx.now() - a).count(), ctx.random()});
    });
    d.fire(2);
    CHECK(d.result().at(0) != d.result().at(1));
    CHECK(d.result().at(2) == 1000);
    CHECK(d.result().at(0).get<std::string>().size() == 36);
    CHECK(d.result().at(0).get<std::string>()[14] == '4');
}

TEST_CASE("replay: every way in which code may differ from its record is told in words") {
    Driver d(two_calls);
    d.complete(2, {{"value", 2}});
    const auto replay_with = [&](Body body, std::vector<Event> history) {
        const OrchestrationType type{"test", 1, std::move(body)};
        Execution execution(type, {"id", 1, 1});
        const auto result = execution.replay(history);
        return result ? std::string("same") : result.error().message;
    };
    const auto recorded = d.history;
    CHECK(replay_with(two_calls, recorded) == "same");
    CHECK(replay_with([](OrchestrationContext&, Json) -> Task<Json> { co_return Json(); }, recorded) ==
          "event 2: recorded is activity_scheduled test.double, the code does completed");
    CHECK(replay_with(
              [](OrchestrationContext& ctx, Json) -> Task<Json> {
                  co_await ctx.sleep(1s);
                  co_return Json();
              },
              recorded) == "event 2: recorded is activity_scheduled test.double, the code does timer_created");
    CHECK(replay_with(
              [](OrchestrationContext& ctx, Json) -> Task<Json> {
                  co_await ctx.call<Double>({.value = 77});
                  co_return Json();
              },
              recorded) ==
          "event 2: activity_scheduled test.double: recorded with {\"value\":1}, the code gives {\"value\":77}");
    CHECK(replay_with(
              [](OrchestrationContext& ctx, Json) -> Task<Json> {
                  auto a = ctx.call<Double>({.value = 1});
                  auto b = ctx.call<Double>({.value = 1});
                  co_await std::move(a);
                  co_await std::move(b);
                  co_return Json();
              },
              recorded) == "event 3: the code does activity_scheduled test.double, the history has nothing there");
    CHECK(replay_with(
              [](OrchestrationContext& ctx, Json) -> Task<Json> {
                  co_await ctx.call<Double>({.value = 1});
                  co_return Json();
              },
              recorded) == "event 4: recorded is activity_scheduled test.double, the code does completed");
    auto early = recorded;
    early.push_back({.kind = EventKind::timer_fired, .of = 9});
    CHECK(replay_with(two_calls, early) == "event 5: timer_fired of 9 answers nothing that the code waits for");
    auto lost = recorded;
    lost.pop_back();
    CHECK(replay_with(two_calls, lost) ==
          "event 4: the code does activity_scheduled test.double, the history has nothing there");
    auto doubled = recorded;
    doubled.insert(doubled.begin() + 1, doubled[1]);
    CHECK(replay_with(two_calls, doubled) ==
          "event 3: recorded is activity_scheduled test.double, the code does nothing there");
}

TEST_CASE("history: an execution that records too much fails with the reason") {
    Driver d([](OrchestrationContext& ctx, Json) -> Task<Json> {
        for (std::int64_t i = 0; i <= history_events_max; ++i) ctx.set_status(i);
        co_await ctx.sleep(1s);
        co_return Json();
    });
    CHECK(d.result().at("code") == "history_too_long");
}

TEST_CASE("event: the stored form comes back as it went") {
    const Event event{
        .kind = EventKind::activity_scheduled, .name = "a", .payload = {{"x", 1}}, .options = {{"attempts", 3}}};
    CHECK(event_from_json(to_json_value(event)).value() == event);
    CHECK(!event_from_json({{"kind", "dreamt"}}));
    CHECK(!event_from_json(Json::array()));
    CHECK(!event_from_json({{"kind", "started"}, {"of", "x"}}));
}
