#include "cli/completion.hpp"

#include <fmt/format.h>

namespace toygres::cli {
namespace {

constexpr auto instances = "toygres list -o name 2>/dev/null";
constexpr auto contexts = "toygres context list -o name 2>/dev/null";
constexpr auto formats = "table wide json yaml name";

std::string fish_quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

// The verbs as patterns of a case: what has been typed so far, each word after a blank.
std::string bash_verbs(const std::vector<VerbWords>& verbs) {
    std::string out;
    for (const auto& v : verbs)
        if (!v.verb.empty()) out += fmt::format("{}\" {}\"", out.empty() ? "" : " | ", v.verb);
    return out;
}

std::string bash_cases(const std::vector<VerbWords>& verbs) {
    std::string out;
    for (const auto& v : verbs)
        out += fmt::format("    \"{}{}\") words=\"{}\"{} ;;\n", v.verb.empty() ? "" : " ", v.verb,
                           fmt::join(v.words, " "), v.takes_instance ? "; names=instances" : "");
    return out;
}

std::string bash(const std::vector<VerbWords>& verbs) {
    return fmt::format(
        "_toygres() {{\n"
        "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} verb= words= names= i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    case \"$verb ${{COMP_WORDS[i]}}\" in\n"
        "    {}) verb=\"$verb ${{COMP_WORDS[i]}}\" ;;\n"
        "    esac\n"
        "  done\n"
        "  case \"$verb\" in\n"
        "{}"
        "  esac\n"
        "  case \"$verb\" in \" context use\" | \" context delete\") names=contexts ;; esac\n"
        "  case \"$prev\" in\n"
        "    -o | --output) words=\"{}\" names= ;;\n"
        "    --context) [ \"$verb\" = \" server\" ] || words= names=contexts ;;\n"
        "    --instance) words= names=instances ;;\n"
        "  esac\n"
        "  case \"$cur\" in -*) names= ;; esac\n"
        "  case \"$names\" in\n"
        "    instances) words=\"$words $({})\" ;;\n"
        "    contexts) words=\"$words $({})\" ;;\n"
        "  esac\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "}}\n"
        "complete -F _toygres toygres\n",
        bash_verbs(verbs), bash_cases(verbs), formats, instances, contexts);
}

// "__fish_seen_subcommand_from replication; and __fish_seen_subcommand_from status".
std::string fish_condition(const std::string& verb) {
    const auto space = verb.find(' ');
    auto out = "__fish_seen_subcommand_from " + verb.substr(0, space);
    if (space != std::string::npos) out += "; and __fish_seen_subcommand_from " + verb.substr(space + 1);
    return out;
}

std::string fish(const std::vector<VerbWords>& verbs) {
    auto out = fmt::format("complete -c toygres -f\ncomplete -c toygres -s o -l output -x -a '{}'\n", formats);
    for (const auto& v : verbs) {
        if (v.verb.empty()) continue;
        const auto space = v.verb.rfind(' ');
        const auto before =
            space == std::string::npos ? "__fish_use_subcommand" : fish_condition(v.verb.substr(0, space));
        out += fmt::format("complete -c toygres -n '{}' -a {} -d {}\n", before, v.verb.substr(space + 1),
                           fish_quoted(v.description));
        const auto seen = fmt::format("complete -c toygres -n '{}'", fish_condition(v.verb));
        for (const auto& word : v.words)
            if (word.starts_with("--")) out += fmt::format("{} -l {}\n", seen, word.substr(2));
        if (v.takes_instance) out += fmt::format("{} -a '({})'\n", seen, instances);
        if (v.verb == "context use" || v.verb == "context delete") out += fmt::format("{} -a '({})'\n", seen, contexts);
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
