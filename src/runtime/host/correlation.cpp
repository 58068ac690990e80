#include "runtime/host/correlation.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

std::string text_of(const Json& tags, const char* name) {
    if (!tags.is_object()) return {};
    const auto it = tags.find(name);
    return it != tags.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<trace::Context> caller_of(const OrchestrationRow& row, std::int64_t execution) {
    return execution == 1 ? trace::parse_traceparent(text_of(row.tags, traceparent_tag)) : std::nullopt;
}

trace::Context context_of(const OrchestrationRow& row, std::int64_t execution) {
    const auto what = fmt::format("{}/{}/{}", row.id, row.key, execution);
    if (auto caller = caller_of(row, execution))
        return {std::move(caller->trace_id), trace::span_id_of(what), caller->sampled};
    auto trace_id = trace::trace_id_of(what);
    const bool sampled = trace::samples(trace_id);
    return {std::move(trace_id), trace::span_id_of(what), sampled};
}

}  // namespace

ExecutionTrace trace_of(const OrchestrationRow& row, std::int64_t execution) {
    const auto caller = caller_of(row, execution);
    return {context_of(row, execution), caller ? caller->span_id : std::string(),
            execution > 1 ? std::optional(context_of(row, execution - 1)) : std::nullopt};
}

Json inherited_tags(const OrchestrationRow& row, std::int64_t execution) {
    Json out = Json::object();
    for (const auto* name : {request_tag, operation_tag})
        if (const auto text = text_of(row.tags, name); !text.empty()) out[name] = text;
    if (trace::enabled() || !text_of(row.tags, traceparent_tag).empty())
        out[traceparent_tag] = trace::to_traceparent(context_of(row, execution));
    return out;
}

void correlate(Json& fields, const Json& tags) {
    for (const auto* name : {request_tag, operation_tag})
        if (const auto text = text_of(tags, name); !text.empty()) fields[name] = text;
    if (const auto caller = trace::parse_traceparent(text_of(tags, traceparent_tag)))
        fields["trace_id"] = caller->trace_id;
}

}  // namespace toygres::runtime
