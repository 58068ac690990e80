#include "cli/contexts.hpp"

#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <istream>
#include <ostream>

namespace toygres::cli {
namespace {

Error no_context(const std::string& name, const Contexts& contexts) {
    std::vector<std::string> names;
    for (const auto& c : contexts.all) names.push_back(c.name);
    return {ErrorKind::not_found, "no_such_context",
            names.empty() ? fmt::format("there is no context {}; make one with: toygres login URL", name)
                          : fmt::format("there is no context {}, only {}", name, fmt::join(names, ", "))};
}

// "db.example" of "https://db.example:8443/".
std::string host_of(const std::string& url) {
    const auto scheme = url.find("://");
    if (scheme == std::string::npos)
        raise(ErrorKind::invalid, "invalid_url", fmt::format("{} is no http:// or https:// URL", url));
    const auto authority = url.substr(scheme + 3, url.find('/', scheme + 3) - scheme - 3);
    return authority.substr(0, authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':'));
}

Secret asked_token(Console& console, const LoginOptions& options) {
    if (options.token_stdin) {
        std::string line;
        if (!std::getline(console.in, line))
            raise(ErrorKind::invalid, "no_token", "there is no token on the standard input");
        if (line.ends_with('\r')) line.pop_back();
        return Secret(std::move(line));
    }
    if (!console.in_is_terminal)
        raise(ErrorKind::invalid, "no_token",
              "there is no terminal to ask for the token; give it with --token-stdin or --token-file");
    auto token = console.ask_secret("Token: ");
    if (!token || token->empty()) raise(ErrorKind::invalid, "no_token", "no token was given; nothing was kept");
    return Secret(*std::move(token));
}

std::string absolute(const std::string& path) { return path.empty() ? path : std::filesystem::absolute(path).string(); }

}  // namespace

int login(Console& console, const LoginOptions& options, const ConnectionFlags& flags) {
    auto contexts = value_or_raise(load_contexts());
    auto wanted = flags;
    wanted.api_url = options.url;
    wanted.context.clear();
    auto settings = value_or_raise(find_settings(wanted));
    Context context{
        options.name.empty() ? host_of(settings.api_url) : options.name, settings.api_url, {}, absolute(flags.ca_file)};
    const bool given = !flags.token.empty() || !flags.token_file.empty();
    context.token = given ? std::move(settings.token) : asked_token(console, options);
    ApiClient api({context.api_url, context.token, settings.ca_pem, false});
    const auto version = api.get("/version");
    value_or_raise(api.call("GET", "/api/v1/instances?limit=1"));
    contexts.current = context.name;
    const auto name = context.name;
    contexts.put(std::move(context));
    value_or_raise(save_contexts(contexts));
    console.out << console.paint("✓", "32")
                << fmt::format(" Logged in to {} (toygres {}) as context {}\n", settings.api_url,
                               text_at(version, "version"), name);
    return exit_ok;
}

int list_contexts(Console& console, Format format) {
    const auto contexts = value_or_raise(load_contexts());
    Json list = Json::array();
    Table table({"CURRENT", "NAME", "SERVER"});
    for (const auto& c : contexts.all) {
        list.push_back({{"name", c.name}, {"api_url", c.api_url}, {"current", c.name == contexts.current}});
        table.add({c.name == contexts.current ? "*" : " ", c.name, c.api_url});
    }
    if (format == Format::json || format == Format::yaml)
        console.out << render({{"contexts", list}}, format);
    else if (format == Format::name)
        for (const auto& c : contexts.all) console.out << c.name << "\n";
    else if (contexts.all.empty())
        console.err << "There is none. Make one with: toygres login URL\n";
    else
        console.out << table.text(console.width);
    return exit_ok;
}

int use_context(Console& console, const std::string& name) {
    auto contexts = value_or_raise(load_contexts());
    const auto* found = contexts.find(name);
    if (found == nullptr) throw ErrorException(no_context(name, contexts));
    contexts.current = name;
    value_or_raise(save_contexts(contexts));
    console.out << fmt::format("Now {}: {}\n", name, contexts.find(name)->api_url);
    return exit_ok;
}

int delete_context(Console& console, const std::string& name) {
    auto contexts = value_or_raise(load_contexts());
    if (!contexts.remove(name)) throw ErrorException(no_context(name, contexts));
    value_or_raise(save_contexts(contexts));
    console.out << fmt::format("{} is forgotten here; its token stays valid until it is revoked\n", name);
    return exit_ok;
}

}  // namespace toygres::cli
