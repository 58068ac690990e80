#include "cli/console.hpp"

#include "base/error.hpp"

#include <cstdlib>
#include <iostream>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace toygres::cli {
namespace {

// Echo and signals off, as getpass() does: an interrupt must not leave the terminal without echo.
class QuietTerminal {
  public:
    QuietTerminal() : usable_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!usable_) return;
        auto quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~QuietTerminal() {
        if (usable_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;

  private:
    termios before_{};
    bool usable_;
};

int terminal_width() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

Console Console::of_process() {
    const bool out = ::isatty(STDOUT_FILENO) == 1;
    const bool err = ::isatty(STDERR_FILENO) == 1;
    const char* no_colour = std::getenv("NO_COLOR");
    return {std::cout,
            std::cerr,
            std::cin,
            out,
            err,
            ::isatty(STDIN_FILENO) == 1,
            out && err && (no_colour == nullptr || *no_colour == '\0'),
            out ? terminal_width() : 0};
}

bool Console::confirmed(bool yes, const std::string& question, const std::string& why) {
    if (yes) return true;
    if (!in_is_terminal)
        raise(ErrorKind::invalid, "not_confirmed", "without a terminal to ask on, this needs --yes: " + why);
    if (confirm(question)) return true;
    err << "Nothing was done.\n";
    return false;
}

bool Console::confirm(const std::string& question) {
    err << question << " [y/N] " << std::flush;
    std::string answer;
    std::getline(in, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

std::optional<std::string> Console::ask_secret(const std::string& question) {
    err << question << std::flush;
    std::string answer;
    {
        QuietTerminal quiet;
        std::getline(in, answer);
    }
    err << "\n";
    constexpr char interrupt = 3;
    if (!in || answer.find(interrupt) != std::string::npos) return std::nullopt;
    return answer;
}

std::string Console::paint(const std::string& text, const char* code) const {
    return colour ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
}

}  // namespace toygres::cli
