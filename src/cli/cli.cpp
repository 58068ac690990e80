#include "cli/cli.hpp"

#include "cli/command_line.hpp"

#include <csignal>
#include <ostream>

namespace toygres::cli {
namespace {

int perform(const CommandLine& line, const Launcher& launcher, Console& console) {
    if (line.print) return line.print(console);
    if (line.local) {
        const bool ask = !line.question.empty() && console.in_is_terminal;
        if (ask && !console.confirmed(false, line.question, "")) return exit_failed;
        return line.local(launcher);
    }
    std::signal(SIGPIPE, SIG_IGN);
    Session session{console, line.format, ApiClient(value_or_raise(find_settings(line.connection)))};
    return line.remote(session);
}

}  // namespace

int run_cli(int argc, const char* const* argv, const Launcher& launcher) {
    return run_cli(argc, argv, launcher, Console::of_process());
}

int run_cli(int argc, const char* const* argv, const Launcher& launcher, Console console) {
    CommandLine line;
    if (const auto code = parse(argc, argv, line, console)) return *code;
    try {
        const int code = perform(line, launcher, console);
        console.out.flush();
        return code;
    } catch (...) {
        const auto error = current_error();
        console.out.flush();
        console.err << console.paint("toygres:", "31") << " " << error.message << std::endl;
        return exit_code_of(error);
    }
}

}  // namespace toygres::cli
