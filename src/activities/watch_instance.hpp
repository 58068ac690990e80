// The monitor's eyes and hands: makes the cluster as the record says (topology, labels, members that are new, vanished
// or removed), then looks at the members until something calls for a step, or the time is over.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>

namespace toygres::activities {

struct WatchInstance {
    static constexpr std::string_view name = "watch_instance";
    static constexpr auto activity_load = runtime::ActivityLoad::waits;
    struct Input {
        InstanceRef instance;
        std::int64_t duration_ms;
    };
    struct Output {
        // What was on record when this was decided.
        std::string state;
        std::int64_t epoch;
        std::int64_t revision;
        Json event;     // ha::Event; null: nothing to do
        Json refusal;   // the error of an operator's request; null: none
        Json request;   // that request, or the one of the event
        Json evidence;  // what was seen, in short
        // Why nothing is done although the primary is down; and whether there is something to write without an event.
        std::optional<std::string> blocked;
        bool blocked_is_news;
        std::optional<std::int64_t> lag_bytes;
        Json alerts;  // ha::Alert values that last, when they are not those on record (which is news too); else null
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(WatchInstance::Input, (), (instance, duration_ms))
BOOST_DESCRIBE_STRUCT(WatchInstance::Output, (),
                      (state, epoch, revision, event, refusal, request, evidence, blocked, blocked_is_news, lag_bytes,
                       alerts))

}  // namespace toygres::activities
