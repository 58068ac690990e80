#include "cli/completion.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::cli {
namespace {

// Verbs that take the name of an instance.
bool takes_instance(const std::string& verb) {
    static const std::vector<std::string> verbs{"get",    "delete",    "connect",        "logs",
                                                "events", "set-owner", "rotate-password"};
    return std::ranges::find(verbs, verb) != verbs.end();
}

// Names of instances out of the table: its heading is in capitals.
constexpr auto names_in_bash = R"(toygres list 2>/dev/null | sed -n 's/^\([a-z][-a-z0-9]*\) .*/\1/p')";
constexpr auto names_in_fish = R"~((toygres list 2>/dev/null | string match -r "^[a-z][-a-z0-9]*(?= )"))~";

std::string fish_quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

std::string bash_cases(const std::vector<VerbWords>& verbs) {
    std::string out;
    for (const auto& v : verbs) {
        if (v.verb.empty() || v.verb.contains(' ')) continue;
        out += fmt::format("    {}) words=\"{}\"{} ;;\n", v.verb, fmt::join(v.words, " "),
                           takes_instance(v.verb) ? fmt::format("; words+=\" $({})\"", names_in_bash) : "");
    }
    return out;
}

std::string bash(const std::vector<VerbWords>& verbs) {
    return fmt::format(
        "_toygres() {{\n"
        "  local words cur=${{COMP_WORDS[COMP_CWORD]}}\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"{}\"; else case ${{COMP_WORDS[1]}} in\n{}  esac; fi\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "}}\n"
        "complete -F _toygres toygres\n",
        fmt::join(verbs.front().words, " "), bash_cases(verbs));
}

std::string fish(const std::vector<VerbWords>& verbs) {
    std::string out = "complete -c toygres -f\n";
    for (const auto& v : verbs) {
        if (v.verb.empty() || v.verb.contains(' ')) continue;
        out += fmt::format("complete -c toygres -n __fish_use_subcommand -a {} -d {}\n", v.verb,
                           fish_quoted(v.description));
        const auto seen = fmt::format("complete -c toygres -n '__fish_seen_subcommand_from {}'", v.verb);
        for (const auto& word : v.words)
            out += word.starts_with("--") ? fmt::format("{} -l {}\n", seen, word.substr(2))
                                          : fmt::format("{} -a {}\n", seen, word);
        if (takes_instance(v.verb)) out += fmt::format("{} -a {}\n", seen, fish_quoted(names_in_fish));
    }
    return out;
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<VerbWords>& verbs) {
    if (shell == "fish") return fish(verbs);
    // zsh runs the completions of bash.
    return (shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "") + bash(verbs);
}

}  // namespace toygres::cli
