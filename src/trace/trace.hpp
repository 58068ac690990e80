// Traces: which call, orchestration and attempt a piece of work belongs to (W3C Trace Context), and how long it took.
// What is measured goes to a sink; without one nothing is.
#pragma once
#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace toygres::trace {

struct Context {
    std::string trace_id;  // 32 hex digits
    std::string span_id;   // 16
    bool sampled;          // somebody wants to see it
    bool operator==(const Context&) const = default;
};

// Of the header "traceparent": "00-<trace id>-<span id>-<flags>". nullopt: it is none, or of zeros.
std::optional<Context> parse_traceparent(std::string_view text);
std::string to_traceparent(const Context& context);

// Ids that follow from what they are of: another process, or the same after a crash, gives the same ones.
std::string trace_id_of(std::string_view what);
std::string span_id_of(std::string_view what);

enum class Kind { internal = 1, server = 2 };  // as OTLP numbers them

struct Span {
    Context context;
    std::string parent_span_id{};  // empty: the first of its trace
    std::optional<Context> link{};
    std::string name;
    Kind kind = Kind::internal;
    std::chrono::system_clock::time_point began{};
    std::chrono::system_clock::time_point ended{};
    nlohmann::json attributes = nlohmann::json::object();  // strings, integers and booleans
    std::optional<std::string> error{};                    // its code; none: it went well
};

// From now on spans that are sampled go to `sink`, which must not block; `ratio` of the traces that begin here are
// sampled, from 0 to 1.
void enable(std::function<void(Span)> sink, double ratio);
void disable();
bool enabled();
// Whether a trace that begins here is sampled; every process says the same of one id.
bool samples(const std::string& trace_id);
void record(Span span);

// A call's own span: of the trace that it came with, or of a new one.
Context begin(const std::optional<Context>& caller);

}  // namespace toygres::trace
