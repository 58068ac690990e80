// What an orchestration's row says of the call that started it, for its log lines and its spans. It travels in the
// tags: neither inputs nor histories know of it.
#pragma once
#include "runtime/store/records.hpp"
#include "trace/trace.hpp"

#include <optional>
#include <string>

namespace toygres::runtime {

inline constexpr auto traceparent_tag = "traceparent";
inline constexpr auto request_tag = "request_id";
inline constexpr auto operation_tag = "operation";

// The span of one execution. The first is part of the trace of the call that started the orchestration; later ones, and
// those that nobody's call started, have a trace of their own. The ids follow from the row, so that every process
// names the same ones.
struct ExecutionTrace {
    trace::Context context;
    std::string parent_span_id;          // empty: the first of its trace
    std::optional<trace::Context> link;  // the execution before
};
ExecutionTrace trace_of(const OrchestrationRow& row, std::int64_t execution);

// The tags of an orchestration that this one waits for.
Json inherited_tags(const OrchestrationRow& row, std::int64_t execution);

// Adds request_id, operation and trace_id, as far as they are known.
void correlate(Json& fields, const Json& tags);

}  // namespace toygres::runtime
