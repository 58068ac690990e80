#include "cli/settings.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "cli/contexts.hpp"

#include <cstdlib>

namespace toygres::cli {
namespace {

constexpr auto default_url = "http://127.0.0.1:8080";

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string first(std::string flag, const char* variable) { return flag.empty() ? environment(variable) : flag; }

std::string trimmed(std::string text, std::string_view what = " \t\r\n") {
    while (!text.empty() && what.contains(text.back())) text.pop_back();
    return text;
}

// What `toygres up` writes; more may be in it.
struct LocalServer {
    std::string api_url;
    std::string token_file;
    std::optional<std::string> ca_file;
};
BOOST_DESCRIBE_STRUCT(LocalServer, (), (api_url, token_file, ca_file))

Result<std::optional<LocalServer>> local_server(const std::string& state_dir) {
    const auto path = state_dir + "/cli.json";
    const auto text = read_file(path);
    if (!text) return std::nullopt;
    const auto json = parse_json(*text);
    if (!json || !json->is_object() || !json->contains("api_url") || !json->contains("token_file"))
        return std::unexpected(
            Error{ErrorKind::invalid, "bad_cli_config", path + " is damaged; \"toygres up\" writes it anew"});
    return decode<LocalServer>(*json);
}

Result<Secret> token_of(const std::string& path) {
    auto text = read_file(path);
    if (!text) return std::unexpected(std::move(text).error());
    return Secret(trimmed(*std::move(text)));
}

// The one asked for, else the current one, unless another way to a server was.
Result<std::optional<Context>> chosen_context(const ConnectionFlags& flags) {
    const auto asked = first(flags.context, "TOYGRES_CONTEXT");
    const bool local = !flags.state_dir.empty() || !environment("TOYGRES_STATE_DIR").empty();
    if (asked.empty() && local) return std::nullopt;
    auto contexts = load_contexts();
    if (!contexts) return std::unexpected(std::move(contexts).error());
    const auto name = asked.empty() ? contexts->current : asked;
    if (name.empty()) return std::nullopt;
    if (const auto* found = contexts->find(name)) return *found;
    return std::unexpected(
        Error{ErrorKind::not_found, "no_such_context", "there is no context " + name + "; see: toygres context list"});
}

Result<std::string> ca_of(const std::string& path) {
    if (path.empty()) return std::string();
    return read_file(path);
}

}  // namespace

std::string default_state_dir() {
    if (auto dir = environment("TOYGRES_STATE_DIR"); !dir.empty()) return dir;
    return environment("HOME") + "/.toygres";
}

Result<ApiSettings> find_settings(const ConnectionFlags& flags) {
    const auto local = local_server(flags.state_dir.empty() ? default_state_dir() : flags.state_dir);
    auto url = trimmed(first(flags.api_url, "TOYGRES_API_URL"), "/");
    // A server that is named needs no context: one that cannot be read is not in the way then.
    const bool named = !url.empty() && flags.context.empty();
    auto context = chosen_context(flags);
    if (!context && !named) return std::unexpected(std::move(context).error());
    const bool in_context = context && *context && (url.empty() || url == (*context)->api_url);
    if (in_context) url = (*context)->api_url;
    if (url.empty() && !local) return std::unexpected(local.error());
    const bool is_local = local && *local && (url.empty() || url == (*local)->api_url);
    if (url.empty()) url = is_local ? (*local)->api_url : default_url;
    ApiSettings out{std::move(url), {}, {}, is_local};

    if (auto token = first(flags.token, "TOYGRES_API_TOKEN"); !token.empty()) {
        out.token = Secret(trimmed(std::move(token)));
    } else if (const auto file = first(flags.token_file, "TOYGRES_API_TOKEN_FILE"); !file.empty()) {
        auto read = token_of(file);
        if (!read) return std::unexpected(std::move(read).error());
        out.token = *std::move(read);
    } else if (in_context) {
        out.token = (*context)->token;
    } else if (is_local) {
        if (auto read = token_of((*local)->token_file)) out.token = *std::move(read);
    }
    auto ca_file = first(flags.ca_file, "TOYGRES_CA_FILE");
    if (ca_file.empty() && in_context) ca_file = (*context)->ca_file;
    if (ca_file.empty() && is_local) ca_file = (*local)->ca_file.value_or("");
    auto ca_pem = ca_of(ca_file);
    if (!ca_pem) return std::unexpected(std::move(ca_pem).error());
    out.ca_pem = *std::move(ca_pem);
    return out;
}

}  // namespace toygres::cli
