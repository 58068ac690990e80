// What may be asked for of a schedule, and what is shown of one.
#pragma once
#include "api/problem.hpp"
#include "runtime/schedule/schedule.hpp"
#include "runtime/store/records.hpp"

#include <functional>
#include <optional>
#include <string>

namespace toygres::api {

// All but the name is as in CreateScheduleBody: a schedule is replaced as a whole.
struct ScheduleBody {
    std::string cron;
    std::optional<std::string> zone;  // UTC
    std::string type;
    Json input;
    std::optional<std::string> overlap;   // skip | buffer_one | allow | cancel_running
    std::optional<std::string> catch_up;  // "60s"
    std::optional<std::string> jitter;    // "0s"
    std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(ScheduleBody, (), (cron, zone, type, input, overlap, catch_up, jitter, note))

struct CreateScheduleBody : ScheduleBody {
    std::string name;
    std::optional<bool> paused;
};
BOOST_DESCRIBE_STRUCT(CreateScheduleBody, (ScheduleBody), (name, paused))

// Error: invalid/"invalid_request" with every field that is wrong. `is_known`: whether this release has orchestrations
// of a type.
Result<runtime::ScheduleSpec> check(const ScheduleBody& body, const std::function<bool(const std::string&)>& is_known);
Result<runtime::ScheduleSpec> check(const CreateScheduleBody& body,
                                    const std::function<bool(const std::string&)>& is_known);
std::optional<FieldError> check_note(const std::optional<std::string>& note);

// How a schedule stands, by the row of its orchestration.
Json view_schedule(const runtime::OrchestrationRow& row);

}  // namespace toygres::api
