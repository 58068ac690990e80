#include "cli/man_page.hpp"

#include "cli/exit_code.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace toygres::cli {
namespace {

// Text in which nothing is a request or an escape of roff.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            out += fmt::format("\\&{}", c);
        else
            out += c;
    }
    return out;
}

std::string heading(std::string_view title) { return fmt::format(".SH {}\n", title); }

// "-o, --output TEXT": bold names, the value in italics.
std::string term_of(const CLI::Option& option) {
    std::string names;
    for (const auto& name : option.get_snames())
        names += fmt::format("{}\\fB\\-{}\\fR", names.empty() ? "" : ", ", roff(name));
    for (const auto& name : option.get_lnames())
        names += fmt::format("{}\\fB\\-\\-{}\\fR", names.empty() ? "" : ", ", roff(name));
    if (names.empty()) return fmt::format("\\fI{}\\fR", roff(option.get_name()));
    const auto type = option.get_type_size() == 0 ? "" : option.get_type_name();
    return type.empty() ? names : fmt::format("{} \\fI{}\\fR", names, roff(type));
}

std::string entry(const CLI::Option& option) {
    auto text = option.get_description();
    if (!option.get_default_str().empty()) text += fmt::format(" [{}]", option.get_default_str());
    if (!option.get_envname().empty()) text += fmt::format(" [environment: {}]", option.get_envname());
    if (option.get_required()) text += text.empty() ? "needed" : "; needed";
    return fmt::format(".TP\n{}\n{}\n", term_of(option), roff(text));
}

bool is_help(const CLI::Option& option) { return option.check_lname("help") || option.check_lname("help-all"); }

// The options of a verb, and of the groups that it puts some of them in.
std::string options_of(const CLI::App& app) {
    std::string out;
    for (const auto* option : app.get_options())
        if (!is_help(*option)) out += entry(*option);
    for (const auto* sub : app.get_subcommands({}))
        if (sub->get_name().empty()) out += options_of(*sub);
    return out;
}

std::string usage_of(const CLI::App& verb, const std::string& path) {
    auto out = fmt::format("\\fB{}\\fR", roff(path));
    for (const auto* option : verb.get_options())
        if (option->get_positional())
            out += option->get_required() ? fmt::format(" \\fI{}\\fR", roff(option->get_name()))
                                          : fmt::format(" [\\fI{}\\fR]", roff(option->get_name()));
    return out;
}

std::string verbs_of(const CLI::App& app, const std::string& path) {
    std::string out;
    for (const auto* sub : app.get_subcommands({})) {
        if (sub->get_name().empty() || sub->get_group().empty()) continue;
        const auto whole = path.empty() ? sub->get_name() : path + " " + sub->get_name();
        out += fmt::format(".SS {}\n{}.\n", usage_of(*sub, whole), roff(sub->get_description()));
        out += options_of(*sub) + verbs_of(*sub, whole);
    }
    return out;
}

std::string exit_codes() {
    const std::pair<ExitCode, const char*> codes[] = {{exit_ok, "done"},
                                                      {exit_failed, "failed, or refused by the server"},
                                                      {exit_usage, "the command line is wrong; nothing was sent"},
                                                      {exit_not_found, "there is no such thing"},
                                                      {exit_operation_failed, "the operation waited for has failed"},
                                                      {exit_timed_out, "the operation waited for goes on"}};
    std::string out;
    for (const auto& [code, meaning] : codes)
        out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", static_cast<int>(code), roff(meaning));
    return out;
}

constexpr auto files =
    ".TP\n\\fI~/.config/toygres/config.yaml\\fR\nThe contexts that \\fBtoygres login\\fR keeps, with their tokens; "
    "mode 0600. "
    "TOYGRES_CONFIG names another.\n"
    ".TP\n\\fI~/.toygres\\fR\nWhat \\fBtoygres up\\fR runs on. TOYGRES_STATE_DIR names another.\n";

constexpr auto environment =
    ".TP\n\\fBTOYGRES_API_URL\\fR, \\fBTOYGRES_API_TOKEN\\fR, \\fBTOYGRES_API_TOKEN_FILE\\fR, \\fBTOYGRES_CA_FILE\\fR, "
    "\\fBTOYGRES_CONTEXT\\fR, \\fBTOYGRES_STATE_DIR\\fR\nStand in for the options of their names.\n"
    ".TP\n\\fBNO_COLOR\\fR\nNo colours.\n";

}  // namespace

std::string man_page(const CLI::App& app) {
    return fmt::format(".TH TOYGRES 1 \"\" \"toygres {}\" \"User Commands\"\n", TOYGRES_VERSION) + heading("NAME") +
           "toygres \\- PostgreSQL databases on Kubernetes\n" + heading("SYNOPSIS") +
           "\\fBtoygres\\fR [\\fIOPTIONS\\fR] \\fIVERB\\fR [\\fIARGUMENTS\\fR]\n" + heading("OPTIONS") +
           "Before or after the verb.\n" + options_of(app) + heading("VERBS") + verbs_of(app, "") +
           heading("EXIT STATUS") + exit_codes() + heading("ENVIRONMENT") + environment + heading("FILES") + files;
}

}  // namespace toygres::cli
