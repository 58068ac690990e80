// Posts one alert to the webhook until it gets through, for a day at most.
#pragma once
#include "activities/tell_people.hpp"
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

struct PostAlert {
    static constexpr std::string_view name = activities::post_alert_orchestration;
    static constexpr int version = 1;
    using Input = activities::PostAlert::Input;
    using Output = Nothing;
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};

}  // namespace toygres::orchestrations
