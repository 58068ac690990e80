#include "api/call.hpp"

#include "base/assert.hpp"
#include "base/crypto.hpp"
#include "runtime/host/correlation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace toygres::api {
namespace {

constexpr std::size_t json_depth_max = 64;
constexpr std::size_t object_length_max = 256;

bool is_sane_id(std::string_view text, std::string_view punctuation) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [&](unsigned char c) {
        return std::isalnum(c) || punctuation.contains(static_cast<char>(c));
    });
}

// UTF-8 without control characters: what PostgreSQL, Kubernetes and a log line can hold.
bool is_clean_text(std::string_view text) {
    // A JSON string holds just that, but for DEL.
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return !text.contains('\x7f') && Json::accept(quoted + '"');
}

// A segment was checked with its target, so a '%' always starts two hex digits.
std::string percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            if (const auto byte = hex_decode(text.substr(i + 1, 2))) {
                out += *byte;
                i += 2;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

std::vector<std::string> split_path(std::string_view target) {
    std::vector<std::string> out;
    auto path = target.substr(0, target.find('?'));
    if (path.starts_with('/')) path.remove_prefix(1);
    for (;;) {
        const auto slash = path.find('/');
        out.push_back(percent_decode(path.substr(0, slash)));
        if (slash == std::string_view::npos) return out;
        path.remove_prefix(slash + 1);
    }
}

std::size_t depth_of(std::string_view json) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

// PostgreSQL's text cannot hold it.
bool has_nul(const Json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().contains('\0');
    if (!value.is_structured()) return false;
    for (const auto& [key, item] : value.items())
        if (key.contains('\0') || has_nul(item)) return true;
    return false;
}

}  // namespace

Call::Call(http::Exchange& exchange, const ApiServices& services) : exchange_(exchange), services_(services) {
    const auto& headers = request().headers;
    const auto wanted = headers.get("X-Request-Id");
    request_id_ = is_sane_id(wanted, "._:-") ? std::string(wanted) : random_hex(16);
    const auto caller = trace::parse_traceparent(headers.get("traceparent"));
    trace_ = trace::begin(caller);
    if (caller) caller_span_ = caller->span_id;
    auto target = http::Target::parse(request().target);
    if (!target) return;
    target_ = *std::move(target);
    segments_ = split_path(request().target);
    target_usable_ = is_clean_text(target_.path) && std::ranges::all_of(target_.query, [](const auto& pair) {
                         return is_clean_text(pair.first) && is_clean_text(pair.second);
                     });
}

Json Call::correlated(Json tags) const {
    tags.emplace(runtime::request_tag, request_id_);
    tags.emplace(runtime::traceparent_tag, trace::to_traceparent(trace_));
    return tags;
}

void Call::check_target() const {
    if (!target_usable_)
        raise(ErrorKind::invalid, "invalid_target",
              "the request target must be a path and query of UTF-8 text without control characters");
}

const std::string& Call::param(std::string_view name) const {
    const auto it = params_.find(name);
    TG_ASSERT(it != params_.end());
    return it->second;
}

std::optional<std::string> Call::object() const {
    if (object_) return object_;
    for (const auto* name : {"name", "id"})
        if (const auto it = params_.find(name); it != params_.end()) return it->second.substr(0, object_length_max);
    return std::nullopt;
}

void Call::note_refusal(Error error, std::string object) {
    if (refusal_) return;
    refusal_ = std::move(error);
    set_object(std::move(object));
}

asio::awaitable<Result<cms::Instance>> Call::own_instance(pg::Connection& db, std::string name) const {
    auto instance = co_await cms::find_instance(db, std::move(name));
    if (instance && !may_change(caller(), instance->owner))
        co_return std::unexpected(
            Error{ErrorKind::forbidden, "not_owner",
                  fmt::format("the instance {} belongs to {}, and the token \"{}\" speaks for {}; only the owner and "
                              "administrators may do that",
                              instance->name, instance->owner, caller().name, caller().owner)});
    co_return instance;
}

void Call::expect_query(std::initializer_list<std::string_view> known) const {
    std::vector<FieldError> wrong;
    for (const auto& [key, value] : target_.query)
        if (std::ranges::find(known, key) == known.end()) wrong.push_back({key, "is not known here"});
    if (!wrong.empty()) throw ErrorException(invalid_fields(std::move(wrong)));
}

std::vector<std::string> Call::query_texts(std::string_view name) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : target_.query)
        if (key == name) out.push_back(value);
    return out;
}

bool Call::query_flag(std::string_view name) const {
    const auto text = query_text(name);
    if (!text || *text == "false") return false;
    if (text->empty() || *text == "true") return true;
    throw ErrorException(invalid_fields({{std::string(name), "must be true or false"}}));
}

std::optional<std::int64_t> Call::query_number(std::string_view name, std::int64_t low, std::int64_t high) const {
    const auto text = query_text(name);
    if (!text) return std::nullopt;
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out);
    if (error != std::errc() || end != text->data() + text->size() || out < low || out > high)
        throw ErrorException(
            invalid_fields({{std::string(name), fmt::format("must be a whole number from {} to {}", low, high)}}));
    return out;
}

std::optional<Timestamp> Call::query_time(std::string_view name) const {
    const auto text = query_text(name);
    if (!text) return std::nullopt;
    const auto time = parse_rfc3339(*text);
    if (!time)
        throw ErrorException(
            invalid_fields({{std::string(name), "must be a time as in RFC 3339, such as 2026-11-21T05:04:57Z"}}));
    return time;
}

std::optional<std::string> Call::query_choice(std::string_view name, const std::vector<std::string>& choices) const {
    auto text = query_text(name);
    if (text && std::ranges::find(choices, *text) == choices.end())
        throw ErrorException(
            invalid_fields({{std::string(name), fmt::format("must be one of {}", fmt::join(choices, ", "))}}));
    return text;
}

Json Call::json_body() const {
    auto type = request().headers.get("Content-Type");
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ')) type.remove_suffix(1);
    std::string lower(type);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower != "application/json")
        raise(ErrorKind::invalid, "unsupported_media_type",
              "the body must be JSON, sent as Content-Type: application/json");
    if (depth_of(request().body) > json_depth_max)
        raise(ErrorKind::invalid, "invalid_json", fmt::format("the body is nested deeper than {}", json_depth_max));
    auto json = value_or_raise(parse_json(request().body));
    if (has_nul(json)) raise(ErrorKind::invalid, "invalid_json", "the body holds the character U+0000");
    return json;
}

std::optional<std::string> Call::idempotency_key() const {
    if (!request().headers.has("Idempotency-Key")) return std::nullopt;
    const auto key = request().headers.get("Idempotency-Key");
    if (!is_sane_id(key, "._:-+/=@"))
        throw ErrorException(
            invalid_fields({{"Idempotency-Key", "must be 1 to 128 letters, digits or any of . _ : - + / = @"}}));
    return std::string(key);
}

asio::awaitable<void> Call::begin_stream(http::Headers headers) {
    headers.set("X-Request-Id", request_id_);
    headers.set("traceparent", trace::to_traceparent(trace_));
    headers.set("Cache-Control", "no-store");
    streaming_ = true;
    return exchange_.begin_stream(200, std::move(headers));
}

http::Response json_response(const Json& body, int status) {
    return {status,
            {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
            body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

}  // namespace toygres::api
