// Recorded history that somebody damaged: the orchestration is parked with a reason that names the place, whatever the
// damage; it neither fails nor spins nor takes the process down, and it goes on when the row is as it was.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// Recorded, by row: 1 started, 2 status_set, 3 activity_scheduled | 4 activity_completed, 5 activity_scheduled |
// 6 activity_failed, 7 step_scheduled | 8 step_completed, 9 timer_created | 10 timer_fired, 11 child_scheduled |
// 12 child_completed, 13 detach_scheduled | 14 detach_accepted, 15 activity_scheduled, 16 wait_started
Task<Json> bit_of_everything(Ctx& ctx, Json) {
    ctx.set_status("at work");
    const auto one = co_await ctx.call<Echo>(1);
    co_await ctx.attempt(ctx.call<Fail>({{"kind", "invalid"}, {"code", "no"}, {"message", "no"}}));
    co_await ctx.transact<Add>(one);
    co_await ctx.sleep(1ms);
    co_await ctx.child<Named<"kid">>(one, {.id = ctx.id() + "-kid"});
    co_await ctx.detach<Named<"kid">>(ctx.id() + "-other", one);
    auto held = ctx.call<Hold>("held");
    const auto said = co_await ctx.wait<Json>("go");
    co_return said.get<std::string>() + (co_await std::move(held)).get<std::string>();
}

using Damage = std::function<void(std::vector<TurnRow>&)>;

// `words`: how the reason goes on after "bad_history: " or "nondeterminism: ".
void damaged(const Damage& damage, const std::string& words) {
    everywhere([&](World& world) {
        define(world, "o", bit_of_everything);
        define(world, "kid", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        Tampering tampering(world, "a", damage);
        restart(world);
        const auto reason = parked(world, "a");
        CHECK(reason.substr(reason.find(':') + 2) == words);
        CHECK(get(world, "a").finished_at == std::nullopt);
        begin(world, "b", "o");  // the process is none the worse for it
        world.until_recorded("b", EventKind::wait_started);
        tampering.undo();
        lab().open = true;
        world.signal("a", "go", "well ");
        const auto row = world.wait("a");
        CHECK(row.status == Status::completed);
        CHECK(row.output == "well held");
        CHECK(balance(world, "a") == 1);
    });
}

// Events counted from 1 through all rows.
Json& event(std::vector<TurnRow>& rows, std::size_t position) {
    for (auto& row : rows) {
        if (position <= row.events.size()) return row.events[position - 1];
        position -= row.events.size();
    }
    throw std::out_of_range("no such event");
}

void damaged_event(std::size_t position, const std::function<void(Json&)>& damage, const std::string& words) {
    damaged([&](std::vector<TurnRow>& rows) { damage(event(rows, position)); }, words);
}

}  // namespace

TEST_CASE("corruption: no history at all [empty_history]") {
    damaged([](auto& rows) { rows.clear(); }, "the history has 0 events, the row expects 16");
}

TEST_CASE("corruption: the first row is gone [missing_started_event]") {
    damaged([](auto& rows) { rows.erase(rows.begin()); },
            "event 1: activity_completed of 3 answers nothing that the code waits for");
}

TEST_CASE("corruption: a row in the middle is gone [event_id_gap]") {
    damaged([](auto& rows) { rows.erase(rows.begin() + 2); },
            "event 6: step_completed of 7 answers nothing that the code waits for");
}

TEST_CASE("corruption: the last row is gone") {
    damaged([](auto& rows) { rows.pop_back(); }, "the history has 13 events, the row expects 16");
}

TEST_CASE("corruption: a row that was never recorded") {
    damaged(
        [](auto& rows) {
            rows.push_back({17, Json::array({{{"kind", "signal_received"}, {"name", "go"}, {"data", "x"}}})});
        },
        "the history has 17 events, the row expects 16");
}

TEST_CASE("corruption: a row that says nothing") {
    damaged([](auto& rows) { rows[1].events = Json::array(); },
            "event 4: activity_failed of 5 answers nothing that the code waits for");
}

TEST_CASE("corruption: a row that is no list") {
    damaged([](auto& rows) { rows[1].events = Json::object(); }, "event 4: a turn is not a JSON array of events");
}

TEST_CASE("corruption: a row that is null") {
    damaged([](auto& rows) { rows[0].events = nullptr; }, "event 1: a turn is not a JSON array of events");
}

TEST_CASE("corruption: two rows changed places [non_monotonic_event_ids]") {
    damaged([](auto& rows) { std::swap(rows[1].events, rows[2].events); },
            "event 4: activity_failed of 5 answers nothing that the code waits for");
}

TEST_CASE("corruption: an event that is a number") {
    damaged_event(5, [](Json& e) { e = 5; }, "event 5: an event is not an object");
}

TEST_CASE("corruption: an event without a kind") {
    damaged_event(5, [](Json& e) { e.erase("kind"); }, "event 5: an event has no kind");
}

TEST_CASE("corruption: an event whose kind is a number") {
    damaged_event(5, [](Json& e) { e["kind"] = 4; }, "event 5: an event has no kind");
}

TEST_CASE("corruption: an event of a kind that nobody knows") {
    damaged_event(10, [](Json& e) { e["kind"] = "timer_exploded"; }, "event 10: unknown event kind timer_exploded");
}

TEST_CASE("corruption: an answer to a word") {
    damaged_event(4, [](Json& e) { e["of"] = "three"; }, "event 4: \"of\" is not a position");
}

TEST_CASE("corruption: a name that is a number") {
    damaged_event(3, [](Json& e) { e["name"] = 3; }, "event 3: \"name\" is not a string");
}

TEST_CASE("corruption: a target that is a list") {
    damaged_event(11, [](Json& e) { e["target"] = Json::array(); }, "event 11: \"target\" is not a string");
}

TEST_CASE("corruption: a time that is a word") {
    damaged_event(9, [](Json& e) { e["at"] = "noon"; }, "event 9: \"at\" is not a time");
}

TEST_CASE("corruption: the start comes second [started_not_first]") {
    damaged([](auto& rows) { std::swap(rows[0].events[0], rows[0].events[1]); },
            "event 1: recorded is status_set, the code does nothing there");
}

TEST_CASE("corruption: it starts twice") {
    damaged_event(
        10, [](Json& e) { e = {{"kind", "started"}}; }, "event 10: started answers nothing that the code waits for");
}

TEST_CASE("corruption: an answer to nothing [completion_source_not_found]") {
    damaged_event(
        4, [](Json& e) { e["of"] = 99; }, "event 4: activity_completed of 99 answers nothing that the code waits for");
}

TEST_CASE("corruption: an answer to itself") {
    damaged_event(
        4, [](Json& e) { e["of"] = 4; }, "event 4: activity_completed of 4 answers nothing that the code waits for");
}

TEST_CASE("corruption: an answer before its question [activity_completed_before_scheduled]") {
    damaged(
        [](auto& rows) {
            std::swap(rows[0], rows[1]);
            std::swap(rows[0].first, rows[1].first);
        },
        "event 1: activity_completed of 3 answers nothing that the code waits for");
}

TEST_CASE("corruption: a timer's answer to an activity [completion_source_wrong_type]") {
    damaged_event(
        4, [](Json& e) { e["kind"] = "timer_fired"; },
        "event 4: timer_fired of 3 answers nothing that the code waits for");
}

TEST_CASE("corruption: an activity's answer to a timer [activity_completed_for_timer_in_history]") {
    damaged_event(
        10, [](Json& e) { e["kind"] = "activity_completed"; },
        "event 10: activity_completed of 9 answers nothing that the code waits for");
}

TEST_CASE("corruption: a child's answer to an activity [sub_orch_completion_for_activity_schedule]") {
    damaged_event(
        4, [](Json& e) { e["kind"] = "child_completed"; },
        "event 4: child_completed of 3 answers nothing that the code waits for");
}

TEST_CASE("corruption: a child's answer to a timer [sub_orch_completion_for_timer_schedule]") {
    damaged_event(
        10, [](Json& e) { e["kind"] = "child_completed"; },
        "event 10: child_completed of 9 answers nothing that the code waits for");
}

TEST_CASE("corruption: a timer's answer to a child [timer_completion_for_sub_orch_schedule]") {
    damaged_event(
        12, [](Json& e) { e["kind"] = "timer_fired"; },
        "event 12: timer_fired of 11 answers nothing that the code waits for");
}

TEST_CASE("corruption: an activity's answer to a step") {
    damaged_event(
        8, [](Json& e) { e["kind"] = "activity_completed"; },
        "event 8: activity_completed of 7 answers nothing that the code waits for");
}

TEST_CASE("corruption: one question answered twice [multiple_completions_same_source_in_history]") {
    damaged_event(
        10, [](Json& e) { e = {{"kind", "activity_completed"}, {"of", 3}, {"data", 1}}; },
        "event 10: activity_completed of 3 answers nothing that the code waits for");
}

TEST_CASE("corruption: an answered timer fires again [timer_completion_for_closed_schedule]") {
    damaged_event(
        14, [](Json& e) { e = {{"kind", "timer_fired"}, {"of", 9}}; },
        "event 14: timer_fired of 9 answers nothing that the code waits for");
}

TEST_CASE("corruption: an answered child answers again [sub_orch_completion_for_closed_schedule]") {
    damaged_event(
        14, [](Json& e) { e = {{"kind", "child_completed"}, {"of", 11}}; },
        "event 14: child_completed of 11 answers nothing that the code waits for");
}

TEST_CASE("corruption: the end is recorded in the middle [terminal_completed]") {
    damaged_event(
        9, [](Json& e) { e = {{"kind", "completed"}, {"data", 1}}; },
        "event 9: recorded is completed, the code does timer_created");
}

TEST_CASE("corruption: a failure is recorded in the middle [terminal_failed]") {
    damaged_event(
        9, [](Json& e) { e = {{"kind", "failed"}, {"data", {{"kind", "invalid"}}}}; },
        "event 9: recorded is failed, the code does timer_created");
}

TEST_CASE("corruption: a new execution is recorded in the middle [terminal_continued_as_new]") {
    damaged_event(
        9, [](Json& e) { e = {{"kind", "continued_as_new"}, {"data", 1}}; },
        "event 9: recorded is continued_as_new, the code does timer_created");
}

TEST_CASE("corruption: a command is recorded twice [duplicate_activity_schedule_in_history]") {
    damaged([](auto& rows) { rows[0].events.push_back(rows[0].events[2]); },
            "event 4: recorded is activity_scheduled echo, the code does nothing there");
}

TEST_CASE("corruption: a timer is recorded twice [duplicate_timer_schedule_in_history]") {
    damaged([](auto& rows) { rows[3].events.push_back(rows[3].events[1]); },
            "event 10: recorded is timer_created, the code does nothing there");
}

TEST_CASE("corruption: a wait is recorded twice [duplicate_external_subscription_in_history]") {
    damaged([](auto& rows) { rows.back().events.push_back(rows.back().events[2]); },
            "event 17: recorded is wait_started go, the code does nothing there");
}

TEST_CASE("corruption: an activity's name is empty [empty_activity_name]") {
    damaged_event(
        3, [](Json& e) { e["name"] = ""; },
        "event 3: recorded is activity_scheduled, the code does activity_scheduled echo");
}

TEST_CASE("corruption: an activity's name is very long [very_long_strings]") {
    const std::string name(100'000, 'n');
    damaged_event(
        3, [&](Json& e) { e["name"] = name; },
        "event 3: recorded is activity_scheduled " + name + ", the code does activity_scheduled echo");
}

TEST_CASE("corruption: an activity's name is in another script [unicode_in_names]") {
    damaged_event(
        3, [](Json& e) { e["name"] = "эхо"; },
        "event 3: recorded is activity_scheduled эхо, the code does activity_scheduled echo");
}

TEST_CASE("corruption: another input") {
    damaged_event(
        7, [](Json& e) { e["data"] = 1000; }, "event 7: step_scheduled add: recorded with 1000, the code gives 1");
}

TEST_CASE("corruption: another answer, and what the code made of it") {
    damaged_event(
        4, [](Json& e) { e["data"] = 77; }, "event 7: step_scheduled add: recorded with 1, the code gives 77");
}

TEST_CASE("corruption: a failure that is a number") {
    damaged_event(6, [](Json& e) { e["data"] = 7; }, "event 6: activity_failed of 5: its error is not an object");
}

TEST_CASE("corruption: a failure without an error") {
    damaged_event(6, [](Json& e) { e.erase("data"); }, "event 6: activity_failed of 5: its error is not an object");
}

TEST_CASE("corruption: a retry policy that is a word") {
    damaged_event(
        15, [](Json& e) { e["options"] = "often"; }, "event 15: activity_scheduled hold: its options cannot be read");
}

TEST_CASE("corruption: a retry policy with a word for a number") {
    damaged_event(
        15, [](Json& e) { e["options"]["attempts"] = "many"; },
        "event 15: activity_scheduled hold: its options cannot be read");
}

TEST_CASE("corruption: a child's options that are a list") {
    damaged_event(
        11, [](Json& e) { e["options"] = Json::array({1}); },
        "event 11: child_scheduled kid a-kid: its options cannot be read");
}

TEST_CASE("corruption: a child's close policy that nobody knows") {
    damaged_event(
        11, [](Json& e) { e["options"]["close"] = "explode"; },
        "event 11: child_scheduled kid a-kid: its options cannot be read");
}

TEST_CASE("corruption: a conflict policy that is a number") {
    damaged_event(
        13, [](Json& e) { e["options"]["conflict"] = 3; },
        "event 13: detach_scheduled kid a-other: its options cannot be read");
}

TEST_CASE("corruption: carried signals that are none") {
    damaged_event(
        1, [](Json& e) { e["options"] = {{"carried", {1}}}; }, "event 1: started: what it carries cannot be read");
}

TEST_CASE("corruption: carried keys that are none") {
    damaged_event(
        1, [](Json& e) { e["options"] = {{"seen", {1}}}; }, "event 1: started: what it carries cannot be read");
}
