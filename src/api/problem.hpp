// Errors as RFC 9457 problem documents: the one place where an ErrorKind becomes an HTTP status.
#pragma once
#include "base/json.hpp"
#include "http/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::api {

// One wrong field of a request: "storage_size_gb", "must be between 1 and 65536".
struct FieldError {
    std::string field;
    std::string message;
};
BOOST_DESCRIBE_STRUCT(FieldError, (), (field, message))

// invalid 400, not_found 404, conflict and cancelled 409, forbidden 403, transient 503, timeout 504, internal 500; a
// few codes have a status of their own: "unauthenticated" 401, "method_not_allowed" 405, "precondition_failed" 412,
// "too_large" 413, "unsupported_media_type" 415, "locked_out" and "rate_limited" 429.
int status_of(const Error& error);

// invalid/"invalid_request" whose details carry the fields.
Error invalid_fields(std::vector<FieldError> fields);

// What a caller may be told: trouble of the database or the cluster is named without its words, bugs not at all.
Error public_error(Error error);

// Of public_error(error): type, title, status, detail, code, request_id, errors.
Json problem_document(const Error& error, const std::string& request_id);
// That as application/problem+json. 429 has Retry-After of the detail "retry_after_s".
http::Response problem(const Error& error, const std::string& request_id);

// For requests that never became one (http::ServerOptions::error_page).
http::Response broken_request(int status, std::string_view detail);

}  // namespace toygres::api
