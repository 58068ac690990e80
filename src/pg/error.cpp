#include "pg/error.hpp"

#include <algorithm>
#include <cctype>

namespace toygres::pg {
namespace {

// What two sessions meet that change one catalogue row, as of a role: no SQLSTATE of its own, and never translated.
bool changed_at_once(std::string_view sqlstate, std::string_view message) {
    return sqlstate == "XX000" && message.starts_with("tuple concurrently ");
}

}  // namespace

Error sql_error(std::string_view sqlstate, std::string message, std::string_view constraint) {
    nlohmann::json details = {{"sqlstate", sqlstate}};
    if (!constraint.empty()) details["constraint"] = constraint;
    const auto make = [&](ErrorKind kind, std::string code) {
        return Error{kind, std::move(code), std::move(message), std::move(details)};
    };
    const auto starts = [&](std::string_view prefix) { return sqlstate.starts_with(prefix); };
    if (sqlstate == "40001" || sqlstate == "40P01" || changed_at_once(sqlstate, message))
        return make(ErrorKind::transient, "serialization_failure");
    if (sqlstate == "55P03") return make(ErrorKind::transient, "lock_not_available");
    if (sqlstate == "25006") return make(ErrorKind::transient, "read_only");
    if (sqlstate == "57014") return make(ErrorKind::timeout, "query_cancelled");
    if (sqlstate.empty() || starts("08") || starts("57") || starts("53") || starts("40"))
        return make(ErrorKind::transient, "database_unavailable");
    if (sqlstate == "23505") return make(ErrorKind::conflict, "unique_violation");
    if (starts("23")) return make(ErrorKind::conflict, "constraint_violation");
    if (starts("28") || starts("3D") || sqlstate == "42501") return make(ErrorKind::forbidden, "database_refused");
    if (starts("TG")) {
        std::string code(sqlstate);
        std::ranges::transform(code, code.begin(), [](unsigned char c) { return std::tolower(c); });
        return make(ErrorKind::conflict, std::move(code));
    }
    return make(ErrorKind::internal, "sql_error");
}

namespace {

std::string detail(const Error& error, const char* key) {
    if (!error.details.is_object()) return {};
    const auto it = error.details.find(key);
    return it != error.details.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

std::string constraint_of(const Error& error) { return detail(error, "constraint"); }
std::string sqlstate_of(const Error& error) { return detail(error, "sqlstate"); }

}  // namespace toygres::pg
