#include "cli/contexts.hpp"

#include "base/file.hpp"
#include "cli/output.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace toygres::cli {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string text_in(const YAML::Node& map, const char* key) {
    const auto node = map[key];
    return node && node.IsScalar() ? node.as<std::string>() : "";
}

Contexts parse(const YAML::Node& document) {
    Contexts out{text_in(document, "current"), {}};
    for (const auto& node : document["contexts"])
        out.put({text_in(node, "name"), text_in(node, "api_url"), Secret(text_in(node, "token")),
                 text_in(node, "ca_file")});
    return out;
}

bool readable_by_others(const std::string& path) {
    std::error_code error;
    const auto mode = fs::status(path, error).permissions();
    return !error && (mode & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none;
}

Error damaged(const std::string& path, const std::string& why) {
    return {ErrorKind::invalid, "bad_cli_config",
            fmt::format("{}: {}; mend it, or remove it and log in anew", path, why)};
}

}  // namespace

const Context* Contexts::find(const std::string& name) const {
    const auto it = std::ranges::find(all, name, &Context::name);
    return it == all.end() ? nullptr : &*it;
}

void Contexts::put(Context context) {
    std::erase_if(all, [&](const Context& c) { return c.name == context.name; });
    all.push_back(std::move(context));
}

bool Contexts::remove(const std::string& name) {
    if (current == name) current.clear();
    return std::erase_if(all, [&](const Context& c) { return c.name == name; }) > 0;
}

std::string contexts_path() {
    if (auto path = environment("TOYGRES_CONFIG"); !path.empty()) return path;
    const auto directory = environment("XDG_CONFIG_HOME");
    return (directory.empty() ? environment("HOME") + "/.config" : directory) + "/toygres/config.yaml";
}

Result<Contexts> load_contexts() {
    const auto path = contexts_path();
    const auto text = read_file(path);
    if (!text && text.error().kind == ErrorKind::not_found) return Contexts{};
    if (!text) return std::unexpected(text.error());
    if (readable_by_others(path))
        return std::unexpected(
            Error{ErrorKind::forbidden, "config_readable",
                  fmt::format("others on this machine may read the tokens in {0}; run: chmod 600 {0}", path)});
    try {
        const auto document = YAML::Load(*text);
        if (!document.IsMap() && !document.IsNull()) return std::unexpected(damaged(path, "it is no map"));
        return parse(document);
    } catch (const YAML::Exception& e) {
        return std::unexpected(damaged(path, e.what()));
    }
}

Result<void> save_contexts(const Contexts& contexts) {
    Json list = Json::array();
    for (const auto& c : contexts.all) {
        Json one = {{"name", c.name}, {"api_url", c.api_url}, {"token", c.token.reveal()}};
        if (!c.ca_file.empty()) one["ca_file"] = c.ca_file;
        list.push_back(std::move(one));
    }
    const auto path = contexts_path();
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    if (error)
        return std::unexpected(Error{ErrorKind::internal, "file_unwritable",
                                     fmt::format("{}: {}", fs::path(path).parent_path().string(), error.message())});
    return write_file_atomically(path, render({{"current", contexts.current}, {"contexts", list}}, Format::yaml), 0600);
}

}  // namespace toygres::cli
