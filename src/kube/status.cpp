#include "kube/status.hpp"

#include "base/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace toygres::kube {
namespace {

constexpr std::size_t plain_body_max = 200;
constexpr std::int64_t retry_after_max_s = 24 * 3600;

struct KubeStatus {
    std::string reason;
    std::string message;
    Json causes = Json::array();
    std::optional<std::int64_t> retry_after_seconds;
};

std::string text(const Json& from, const char* key) {
    const auto it = from.find(key);
    return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
}

KubeStatus read_status(const http::Response& response) {
    KubeStatus out;
    const auto json = Json::parse(response.body, nullptr, false);
    if (!json.is_object() || text(json, "kind") != "Status") {
        out.message = response.body.substr(0, plain_body_max);
        while (!out.message.empty() && out.message.back() == '\n') out.message.pop_back();
        if (out.message.empty()) out.message = http::reason_phrase(response.status);
        return out;
    }
    out.reason = text(json, "reason");
    out.message = text(json, "message");
    const auto details = json.value("details", Json::object());
    if (!details.is_object()) return out;
    if (const auto it = details.find("causes"); it != details.end() && it->is_array())
        for (const auto& cause : *it)
            out.causes.push_back({{"field", text(cause, "field")},
                                  {"message", text(cause, "message")},
                                  {"reason", text(cause, "reason")}});
    if (const auto it = details.find("retryAfterSeconds"); it != details.end() && it->is_number_integer())
        out.retry_after_seconds = std::min(it->get<std::int64_t>(), retry_after_max_s);
    return out;
}

// Kubernetes has no field that tells a used-up quota and a refusal by admission from other refusals: its words are all
// there is. A webhook gives any status it likes.
std::optional<std::pair<ErrorKind, const char*>> classify_admission(int status, const std::string& message) {
    if (status < 400 || status >= 500) return std::nullopt;
    if (status == 403 && message.contains("exceeded quota"))
        return std::pair(ErrorKind::transient, "kube_quota_exceeded");
    const bool by_webhook = message.contains("admission webhook \"") && message.contains("denied the request");
    const bool by_policy = message.contains("ValidatingAdmissionPolicy '") && message.contains("denied request");
    if (by_webhook || by_policy) return std::pair(ErrorKind::transient, "kube_denied");
    return std::nullopt;
}

std::pair<ErrorKind, const char*> classify(int status, const std::string& reason, const std::string& message) {
    if (const auto refused = classify_admission(status, message)) return *refused;
    switch (status) {
        case 401:
            return {ErrorKind::forbidden, "kube_unauthorized"};
        case 403:
            return {ErrorKind::forbidden, "kube_forbidden"};
        case 404:
            return {ErrorKind::not_found, "kube_not_found"};
        case 409:
            return {ErrorKind::conflict, reason == "AlreadyExists" ? "kube_already_exists" : "kube_conflict"};
        case 410:
            return {ErrorKind::transient, "kube_expired"};
        case 429:
            return {ErrorKind::transient, "kube_throttled"};
        case 504:
            return {ErrorKind::timeout, "kube_timed_out"};
        default:
            if (status >= 500) return {ErrorKind::transient, "kube_unavailable"};
            return {ErrorKind::invalid, "kube_invalid"};
    }
}

}  // namespace

Error status_error(const std::string& action, const http::Response& response) {
    auto status = read_status(response);
    if (status.reason.empty()) status.reason = fmt::format("HTTP {}", response.status);
    const auto [kind, code] = classify(response.status, status.reason, status.message);
    Error error{kind,
                code,
                fmt::format("{}: {}: {}", action, status.reason, status.message),
                {{"status", response.status}, {"reason", status.reason}}};
    if (!status.causes.empty()) error.details["causes"] = std::move(status.causes);
    return error;
}

Error transport_error(const std::string& action, const Error& cause) {
    auto message = fmt::format("{}: {}", action, cause.message);
    if (cause.kind == ErrorKind::timeout) return {ErrorKind::timeout, "kube_timed_out", std::move(message)};
    if (cause.code == "tls_untrusted") return {ErrorKind::invalid, "kube_tls_untrusted", std::move(message)};
    if (cause.kind == ErrorKind::transient) return {ErrorKind::transient, "kube_unreachable", std::move(message)};
    return {cause.kind, cause.code, std::move(message), cause.details};
}

std::optional<std::chrono::milliseconds> retry_after(const http::Response& response) {
    const auto header = response.headers.get("Retry-After");
    int seconds = 0;
    if (const auto [p, e] = std::from_chars(header.data(), header.data() + header.size(), seconds);
        e == std::errc() && p == header.data() + header.size() && seconds >= 0)
        return std::chrono::seconds(seconds);
    if (const auto status = read_status(response); status.retry_after_seconds && *status.retry_after_seconds >= 0)
        return std::chrono::seconds(*status.retry_after_seconds);
    return std::nullopt;
}

}  // namespace toygres::kube
