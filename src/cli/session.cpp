#include "cli/session.hpp"

#include <ostream>

namespace toygres::cli {

bool Session::print_raw(const Json& object) {
    if (format == Format::table || format == Format::wide) return false;
    if (format == Format::name)
        for (const auto& name : names_in(object)) console.out << name << "\n";
    else
        console.out << render(object, format);
    return true;
}

std::string Session::text_of(const Table& table) const { return table.text(wide() ? 0 : console.width); }

std::string instance_path(const std::string& name, const std::string& rest) {
    return "/api/v1/instances/" + http::percent_encode(name) + rest;
}

std::string orchestration_path(const std::string& id, const std::string& rest) {
    return "/api/v1/orchestrations/" + http::percent_encode(id) + rest;
}

std::string schedule_path(const std::string& name, const std::string& rest) {
    return "/api/v1/schedules/" + http::percent_encode(name) + rest;
}

void add_query(std::string& target, const std::string& name, const std::string& value) {
    if (value.empty()) return;
    target += (target.contains('?') ? "&" : "?") + http::percent_encode(name) + "=" + http::percent_encode(value);
}

ExitCode exit_code_of(const Error& error) {
    if (error.code == "operation_failed") return exit_operation_failed;
    if (error.code == "wait_timed_out") return exit_timed_out;
    if (error.kind == ErrorKind::invalid) return exit_usage;
    if (error.kind == ErrorKind::not_found) return exit_not_found;
    return exit_failed;
}

}  // namespace toygres::cli
