// What every verb has: where it prints, in which form, and the server it talks to.
#pragma once
#include "cli/api_client.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"

namespace toygres::cli {

struct Session {
    Console& console;
    Format format;
    ApiClient api;

    // Prints the API's object as JSON or YAML, or its names; false when a table is wanted.
    bool print_raw(const Json& object);
    // The table as this terminal can show it.
    std::string text_of(const Table& table) const;
    bool wide() const { return format == Format::wide; }
};

// "/api/v1/instances/mydb", the name percent-encoded.
std::string instance_path(const std::string& name, const std::string& rest = {});
std::string orchestration_path(const std::string& id, const std::string& rest = {});
std::string schedule_path(const std::string& name, const std::string& rest = {});

// Adds "name=value" to a target, both percent-encoded, when there is a value.
void add_query(std::string& target, const std::string& name, const std::string& value);

}  // namespace toygres::cli
