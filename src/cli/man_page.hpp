// The manual page, written from the command line's own description.
#pragma once
#include <string>

namespace CLI {
class App;
}

namespace toygres::cli {

// In the language of man(7), for section 1.
std::string man_page(const CLI::App& app);

}  // namespace toygres::cli
