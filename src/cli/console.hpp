// Where the command reads and writes; tests give it strings.
#pragma once
#include <iosfwd>
#include <optional>
#include <string>

namespace toygres::cli {

struct Console {
    std::ostream& out;
    std::ostream& err;
    std::istream& in;
    bool out_is_terminal;
    bool err_is_terminal;
    bool in_is_terminal;
    bool colour;  // on a terminal, unless NO_COLOR is set
    int width;    // columns of the terminal that `out` is; 0: it is none

    // That of this process.
    static Console of_process();

    // Whether to go on with what cannot be undone: `yes` says so, or somebody on the terminal does. Otherwise it is
    // told that nothing was done. Error without a terminal: invalid/"not_confirmed", "… needs --yes: <why>".
    bool confirmed(bool yes, const std::string& question, const std::string& why);
    // Asks on the terminal; true for "y" and "yes".
    bool confirm(const std::string& question);
    // Reads from the terminal without echo; nullopt when it was given up.
    std::optional<std::string> ask_secret(const std::string& question);
    // The text in a colour ("32"), where colours are welcome.
    std::string paint(const std::string& text, const char* code) const;
};

}  // namespace toygres::cli
