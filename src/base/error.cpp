#include "base/error.hpp"

#include <array>
#include <utility>

namespace toygres {
namespace {

constexpr std::array<std::pair<ErrorKind, std::string_view>, 8> kind_names{{
    {ErrorKind::invalid, "invalid"},
    {ErrorKind::not_found, "not_found"},
    {ErrorKind::conflict, "conflict"},
    {ErrorKind::forbidden, "forbidden"},
    {ErrorKind::transient, "transient"},
    {ErrorKind::timeout, "timeout"},
    {ErrorKind::cancelled, "cancelled"},
    {ErrorKind::internal, "internal"},
}};

}  // namespace

void raise(ErrorKind kind, std::string code, std::string message, nlohmann::json details) {
    throw ErrorException(Error{kind, std::move(code), std::move(message), std::move(details)});
}

Error current_error() {
    try {
        throw;
    } catch (const ErrorException& e) {
        return e.error();
    } catch (const std::exception& e) {
        return {ErrorKind::internal, "unexpected", e.what()};
    } catch (...) {
        return {ErrorKind::internal, "unexpected", "an exception that is not a std::exception"};
    }
}

std::string_view to_string(ErrorKind kind) {
    for (const auto& [k, name] : kind_names)
        if (k == kind) return name;
    return "internal";
}

ErrorKind error_kind_from(std::string_view name) {
    for (const auto& [kind, n] : kind_names)
        if (n == name) return kind;
    return ErrorKind::internal;
}

nlohmann::json to_json_value(const Error& error) {
    nlohmann::json out = {{"kind", to_string(error.kind)}, {"code", error.code}, {"message", error.message}};
    if (!error.details.is_null()) out["details"] = error.details;
    return out;
}

Error error_from_json(const nlohmann::json& value) {
    const auto text = [&](const char* key) {
        const auto it = value.find(key);
        return it != value.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    return {error_kind_from(text("kind")), text("code"), text("message"), value.value("details", nlohmann::json())};
}

}  // namespace toygres
