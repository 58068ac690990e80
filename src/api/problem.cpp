#include "api/problem.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace toygres::api {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 7> statuses_of_codes{{
    {"unauthenticated", 401},
    {"method_not_allowed", 405},
    {"precondition_failed", 412},
    {"too_large", 413},
    {"unsupported_media_type", 415},
    {"locked_out", 429},
    {"rate_limited", 429},
}};

Json document(int status, const std::string& code, const std::string& detail, const std::string& request_id) {
    return {{"type", "urn:toygres:problem:" + code},
            {"title", http::reason_phrase(status)},
            {"status", status},
            {"detail", detail},
            {"code", code},
            {"request_id", request_id}};
}

http::Response answer(int status, const Json& body) {
    http::Response out{status, {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}}, ""};
    if (status == 503) out.headers.set("Retry-After", "1");
    if (status == 401) out.headers.set("WWW-Authenticate", "Bearer realm=\"toygres\"");
    out.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    return out;
}

// The field errors of an error's details, from a list ("errors") or from decode ("field", "problem").
Json errors_of(const Error& error) {
    if (!error.details.is_object()) return Json::array();
    if (const auto it = error.details.find("errors"); it != error.details.end()) return *it;
    const auto field = error.details.find("field");
    if (field == error.details.end() || !field->is_string()) return Json::array();
    return Json::array({{{"field", *field}, {"message", error.details.value("problem", error.message)}}});
}

}  // namespace

int status_of(const Error& error) {
    for (const auto& [code, status] : statuses_of_codes)
        if (code == error.code) return status;
    switch (error.kind) {
        case ErrorKind::invalid:
            return 400;
        case ErrorKind::not_found:
            return 404;
        case ErrorKind::conflict:
        case ErrorKind::cancelled:
            return 409;
        case ErrorKind::forbidden:
            return 403;
        case ErrorKind::transient:
            return 503;
        case ErrorKind::timeout:
            return 504;
        case ErrorKind::internal:
            break;
    }
    return 500;
}

Error invalid_fields(std::vector<FieldError> fields) {
    std::string message;
    for (const auto& [field, problem] : fields)
        message += fmt::format("{}{} {}", message.empty() ? "" : "; ", field, problem);
    return {ErrorKind::invalid, "invalid_request", std::move(message), {{"errors", encode(fields)}}};
}

Error public_error(Error error) {
    const std::string_view code = error.code;
    if (code.starts_with("kube_") || code == "credentials_unavailable")
        return {ErrorKind::transient, "kubernetes_unavailable",
                "the Kubernetes API does not answer as it should; try again in a moment"};
    if (code == "pool_exhausted")
        return {ErrorKind::transient, "overloaded", "the server is busy; try again in a moment"};
    if (code.starts_with("database_") || code == "read_only" || code == "query_cancelled" ||
        code == "serialization_failure" || code == "lock_not_available" || code == "bad_conninfo")
        return {ErrorKind::transient, "database_unavailable",
                "the database of the control plane is not available; try again in a moment"};
    // What the schema refused without a meaning of its own is our mistake, not the caller's.
    if (error.kind == ErrorKind::internal || code.ends_with("_violation"))
        return {ErrorKind::internal, "internal",
                "something went wrong inside toygres; its log tells more under this request id"};
    return error;
}

Json problem_document(const Error& cause, const std::string& request_id) {
    const auto error = public_error(cause);
    auto out = document(status_of(error), error.code, error.message, request_id);
    if (auto errors = errors_of(error); !errors.empty()) out["errors"] = std::move(errors);
    return out;
}

http::Response problem(const Error& cause, const std::string& request_id) {
    const auto error = public_error(cause);
    auto out = answer(status_of(error), problem_document(error, request_id));
    if (status_of(error) == 429)
        out.headers.set("Retry-After", std::to_string(error.details.value("retry_after_s", std::int64_t(1))));
    out.headers.set("X-Request-Id", request_id);
    return out;
}

http::Response broken_request(int status, std::string_view detail) {
    const auto request_id = random_hex(16);
    auto code = std::string("bad_request");
    if (status == 408) code = "request_too_slow";
    if (status == 413) code = "too_large";
    if (status == 431) code = "headers_too_large";
    if (status == 503) code = "overloaded";
    if (status >= 500 && status != 503) {
        code = "internal";
        detail = "something went wrong inside toygres; its log tells more";
    } else if (status == 413) {
        detail = "the request is larger than the server takes";
    }
    auto out = answer(status, document(status, code, std::string(detail), request_id));
    out.headers.set("X-Request-Id", request_id);
    return out;
}

}  // namespace toygres::api
