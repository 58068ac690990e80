// What is logged at present, for those who show it.
#pragma once
#include <string_view>

namespace toygres::log {

// "debug", "info", "warning", "error", "off".
std::string_view level_name();

}  // namespace toygres::log
