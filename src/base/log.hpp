// Logs: one JSON object a line. `event` is a stable "noun.past_verb"; data goes in fields, never into the event.
#pragma once
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace toygres::log {

enum class Level { debug, info, warning, error, off };

using Fields = std::initializer_list<std::pair<std::string_view, nlohmann::json>>;

void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
void warning(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});
void write(Level level, std::string_view event, const nlohmann::json& fields);

// "debug", "info", "warning", "error", "off"; false when it is none of them.
bool set_level(std::string_view name);
void set_level(Level level);

// Lines go to stderr until this; the file is appended to, and made with mode 0640. Throws ErrorException when it
// cannot be opened.
void to_file(const std::string& path);

}  // namespace toygres::log
