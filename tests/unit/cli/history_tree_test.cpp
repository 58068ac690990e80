#include "cli/history_tree.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::cli;

namespace {

constexpr auto start = "2026-11-21T10:00:00.000Z";

std::string after(int ms) { return format_rfc3339(*parse_rfc3339(start) + std::chrono::milliseconds(ms)); }

// Numbers the events, as the API does.
Json history(std::vector<Json> events) {
    Json out = {{"execution", 1}, {"events", Json::array()}};
    for (auto& event : events) {
        event["event"] = out["events"].size() + 1;
        out["events"].push_back(std::move(event));
    }
    return out;
}

Json started() { return {{"kind", "started"}, {"at", start}}; }

std::string draw(const Json& events, std::size_t lines_max = 60) {
    return draw_history(events, [](const std::string&) { return Json(); },
                        {.now = *parse_rfc3339(after(9'000)), .lines_max = lines_max});
}

}  // namespace

TEST_CASE("history tree: what was done, how long each took and how it ended") {
    CHECK(draw(history(
              {started(),
               {{"kind", "activity_scheduled"}, {"name", "deploy"}},
               {{"kind", "activity_completed"}, {"of", 2}, {"at", after(115)}, {"data", Json::object()}},
               {{"kind", "step_scheduled"}, {"name", "mark"}},
               {{"kind", "step_failed"},
                {"of", 4},
                {"at", after(120)},
                {"data", {{"code", "name_taken"}, {"message", "there is one already"}}}},
               {{"kind", "failed"}, {"data", {{"code", "name_taken"}, {"message", "there is one already"}}}}})) ==
          "├─ deploy                 115ms  done\n"
          "├─ mark (transaction)       5ms  failed: there is one already (name_taken)\n"
          "└─ failed: there is one already (name_taken)\n");
}

TEST_CASE("history tree: races, timers and signals, and what is still open") {
    CHECK(draw(history({started(),
                        {{"kind", "wait_started"}, {"name", "wake"}},
                        {{"kind", "timer_created"}, {"at", after(1'000)}},
                        {{"kind", "timer_fired"}, {"of", 3}, {"at", after(1'002)}},
                        {{"kind", "cancelled"}, {"of", 2}},
                        {{"kind", "activity_scheduled"}, {"name", "look"}}})) ==
          "├─ signal \"wake\"      1.0s  not waited for\n"
          "├─ timer              1.0s  fired\n"
          "└─ look               8.0s  …\n");
    CHECK(draw(history({started(),
                        {{"kind", "signal_received"}, {"name", "go"}, {"at", after(5)}},
                        {{"kind", "update_received"}, {"name", "add"}, {"at", after(6)}},
                        {{"kind", "wait_started"}, {"name", "go"}},
                        {{"kind", "completed"}}})) ==
          "├─ update \"add\"  received\n"
          "├─ signal \"go\"       0ms  received\n"
          "└─ completed\n");
}

TEST_CASE("history tree: children below the line of their parent") {
    const auto parent = history({started(),
                                 {{"kind", "child_scheduled"}, {"name", "sweep"}, {"target", "a/2"}},
                                 {{"kind", "child_completed"}, {"of", 2}, {"at", after(50)}, {"data", 1}},
                                 {{"kind", "completed"}}});
    const auto child = history({started(),
                                {{"kind", "activity_scheduled"}, {"name", "list"}},
                                {{"kind", "activity_completed"},
                                 {"of", 2},
                                 {"at", after(40)},
                                 {"options", {{"attempts", {1, 2}}}},
                                 {"data", 1}},
                                {{"kind", "completed"}}});
    const auto drawn = draw_history(parent, [&](const std::string& id) { return id == "a/2" ? child : Json(); },
                                    {.now = *parse_rfc3339(start)});
    CHECK(drawn ==
          "├─ sweep a/2      50ms  done\n"
          "│  ├─ list        40ms  done, after 2 failed attempts\n"
          "│  └─ completed\n"
          "└─ completed\n");
}

TEST_CASE("history tree: the middle of a long history is left out, and said to be") {
    std::vector<Json> events{started()};
    for (int i = 0; i < 10; ++i) {
        events.push_back({{"kind", "activity_scheduled"}, {"name", "step-" + std::to_string(i)}});
        events.push_back({{"kind", "activity_completed"}, {"of", 2 + 2 * i}, {"at", after(i)}, {"data", 1}});
    }
    const auto drawn = draw(history(events), 4);
    CHECK(drawn.contains("… 6 more"));
    for (const auto* name : {"step-0", "step-1", "step-8", "step-9"}) CHECK(drawn.contains(name));
    for (const auto* name : {"step-2", "step-7"}) CHECK_FALSE(drawn.contains(name));
    CHECK_FALSE(draw(history(events), 0).contains("more"));
}
