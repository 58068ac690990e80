#include "trace/trace.hpp"

#include "base/crypto.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace toygres::trace {
namespace {

struct Tracer {
    std::function<void(Span)> sink;
    double ratio = 0;
};

Tracer& tracer() {
    static Tracer out;
    return out;
}

bool is_id(std::string_view text) {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return std::ranges::all_of(text, is_digit) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::optional<Context> parse_traceparent(std::string_view text) {
    // A later version may append to what version 00 has.
    constexpr std::size_t length = 55;
    const bool whole =
        text.size() == length || (text.size() > length && text[length] == '-' && !text.starts_with("00"));
    if (!whole || text.starts_with("ff") || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
    const auto version = hex_decode(text.substr(0, 2));
    const auto flags = hex_decode(text.substr(53, 2));
    if (!version || !flags || !is_id(text.substr(3, 32)) || !is_id(text.substr(36, 16))) return std::nullopt;
    return Context{std::string(text.substr(3, 32)), std::string(text.substr(36, 16)),
                   (static_cast<unsigned char>((*flags)[0]) & 1U) != 0};
}

std::string to_traceparent(const Context& context) {
    return "00-" + context.trace_id + "-" + context.span_id + (context.sampled ? "-01" : "-00");
}

std::string trace_id_of(std::string_view what) { return sha256_hex("trace/" + std::string(what)).substr(0, 32); }
std::string span_id_of(std::string_view what) { return sha256_hex("span/" + std::string(what)).substr(0, 16); }

void enable(std::function<void(Span)> sink, double ratio) { tracer() = {std::move(sink), ratio}; }
void disable() { tracer() = {}; }
bool enabled() { return static_cast<bool>(tracer().sink); }

bool samples(const std::string& trace_id) {
    if (!enabled()) return false;
    std::uint64_t low = 0;
    std::from_chars(trace_id.data() + 16, trace_id.data() + trace_id.size(), low, 16);
    return tracer().ratio >= 1 || static_cast<double>(low) < tracer().ratio * std::ldexp(1.0, 64);
}

void record(Span span) {
    if (enabled() && span.context.sampled) tracer().sink(std::move(span));
}

Context begin(const std::optional<Context>& caller) {
    if (caller) return {caller->trace_id, random_hex(16), caller->sampled};
    auto trace_id = random_hex(32);
    const bool sampled = samples(trace_id);
    return {std::move(trace_id), random_hex(16), sampled};
}

}  // namespace toygres::trace
