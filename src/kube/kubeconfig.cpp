#include "kube/kubeconfig.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "kube/yaml.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

namespace toygres::kube {
namespace {

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

[[noreturn]] void raise_bad(const std::string& file, const std::string& field, const std::string& problem) {
    raise(ErrorKind::invalid, "bad_kubeconfig", fmt::format("{}: {}: {}", file, field, problem), {{"field", field}});
}

// One object inside a kubeconfig, with where it stands, so that every complaint names file and field.
class Section {
  public:
    Section(std::string file, std::string path, Json json)
        : file_(std::move(file)), path_(std::move(path)), json_(std::move(json)) {
        if (json_.is_null()) json_ = Json::object();
        if (!json_.is_object()) raise_bad(file_, path_, "is not an object");
    }

    std::string text(const char* key) const {
        const auto it = json_.find(key);
        if (it == json_.end() || it->is_null()) return {};
        if (!it->is_string()) raise_bad(file_, field(key), "is not a text");
        return it->get<std::string>();
    }
    bool flag(const char* key) const {
        const auto it = json_.find(key);
        if (it == json_.end() || it->is_null()) return false;
        if (!it->is_boolean()) raise_bad(file_, field(key), "is neither true nor false");
        return it->get<bool>();
    }
    bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
    Section section(const char* key) const { return {file_, field(key), json_.value(key, Json())}; }
    std::vector<Section> list(const char* key) const {
        std::vector<Section> out;
        const auto it = json_.find(key);
        if (it == json_.end() || it->is_null()) return out;
        if (!it->is_array()) raise_bad(file_, field(key), "is not a list");
        for (std::size_t i = 0; i < it->size(); ++i)
            out.emplace_back(file_, fmt::format("{}[{}]", field(key), i), (*it)[i]);
        return out;
    }
    std::vector<std::string> texts(const char* key) const {
        std::vector<std::string> out;
        const auto it = json_.find(key);
        if (it == json_.end() || it->is_null()) return out;
        if (!it->is_array()) raise_bad(file_, field(key), "is not a list");
        for (const auto& item : *it) {
            if (!item.is_string()) raise_bad(file_, field(key), "holds something that is not a text");
            out.push_back(item.get<std::string>());
        }
        return out;
    }
    // A path inside the file starts at the file's directory.
    std::string file_path(const char* key) const {
        const auto value = text(key);
        if (value.empty()) return {};
        return (std::filesystem::path(file_).parent_path() / value).string();
    }
    // `<key>-data` in base64, or the content of the file that `<key>` names; empty when there is neither.
    std::string data_or_file(const std::string& key) const {
        const auto data_key = key + "-data";
        if (const auto data = text(data_key.c_str()); !data.empty()) {
            auto decoded = base64_decode(data);
            if (!decoded) raise_bad(file_, field(data_key.c_str()), "is not base64");
            return *std::move(decoded);
        }
        const auto path = file_path(key.c_str());
        if (path.empty()) return {};
        auto content = read_file(path);
        if (!content) raise_bad(file_, field(key.c_str()), content.error().message);
        return *std::move(content);
    }
    const std::string& file() const { return file_; }
    std::string field(const char* key) const {
        return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    }

  private:
    std::string file_;
    std::string path_;
    Json json_;
};

// `clusters`, `users` and `contexts` are lists of {name, <kind>: {...}}.
std::optional<Section> named(const std::vector<Section>& files, const char* list, const char* kind,
                             const std::string& name) {
    for (const auto& file : files)
        for (const auto& entry : file.list(list))
            if (entry.text("name") == name) return entry.section(kind);
    return std::nullopt;
}

ExecPlugin read_exec(const Section& exec) {
    ExecPlugin plugin{
        exec.text("apiVersion"), {exec.text("command")}, {}, exec.text("installHint"), exec.flag("provideClusterInfo")};
    if (plugin.argv.front().empty()) raise_bad(exec.file(), exec.field("command"), "is required");
    // A bare name is searched for in PATH; a relative path starts at the file.
    if (plugin.argv.front().contains('/')) plugin.argv.front() = exec.file_path("command");
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1")
        raise_bad(exec.file(), exec.field("apiVersion"),
                  fmt::format("\"{}\" is not client.authentication.k8s.io/v1 or v1beta1", plugin.api_version));
    if (exec.text("interactiveMode") == "Always")
        raise_bad(exec.file(), exec.field("interactiveMode"), "Always: nobody is here to be asked");
    for (auto& arg : exec.texts("args")) plugin.argv.push_back(std::move(arg));
    for (const auto& entry : exec.list("env")) plugin.env[entry.text("name")] = entry.text("value");
    return plugin;
}

void read_cluster(const Section& cluster, Access& access) {
    access.server = cluster.text("server");
    if (!access.server.starts_with("https://") && !access.server.starts_with("http://"))
        raise_bad(cluster.file(), cluster.field("server"), "is not an http or https URL");
    while (access.server.ends_with('/')) access.server.pop_back();
    access.tls.verify = !cluster.flag("insecure-skip-tls-verify");
    access.tls.ca_pem = cluster.data_or_file("certificate-authority");
    access.tls.server_name = cluster.text("tls-server-name");
}

void read_user(const Section& user, Access& access) {
    access.tls.certificate_pem = user.data_or_file("client-certificate");
    access.tls.private_key_pem = user.data_or_file("client-key");
    if (access.tls.certificate_pem.empty() != access.tls.private_key_pem.empty())
        raise_bad(user.file(), user.field("client-certificate"), "certificate and key must be there together");
    access.token_file = user.file_path("tokenFile");
    if (access.token_file.empty()) access.token = Secret(user.text("token"));
    if (user.has("exec")) access.exec = read_exec(user.section("exec"));
    for (const char* unsupported : {"auth-provider", "username"})
        if (user.has(unsupported))
            raise_bad(user.file(), user.field(unsupported), "is not supported; use exec or a token");
}

std::vector<Section> read_files(const std::string& paths) {
    std::vector<Section> files;
    std::size_t begin = 0;
    while (begin <= paths.size()) {
        const auto end = std::min(paths.find(':', begin), paths.size());
        const auto path = paths.substr(begin, end - begin);
        begin = end + 1;
        if (path.empty()) continue;
        const auto text = read_file(path);
        // A list may name files that are not there, as kubectl allows.
        if (!text && text.error().kind == ErrorKind::not_found) continue;
        const auto json = parse_yaml(value_or_raise(text), path);
        if (!json) raise(ErrorKind::invalid, "bad_kubeconfig", json.error().message);
        files.emplace_back(path, "", *json);
    }
    if (files.empty()) raise(ErrorKind::not_found, "kubeconfig_not_found", fmt::format("{}: no such file", paths));
    return files;
}

Access read_access(const std::string& paths, const std::string& wanted) {
    const auto files = read_files(paths);
    auto context_name = wanted;
    for (const auto& file : files)
        if (context_name.empty()) context_name = file.text("current-context");
    if (context_name.empty())
        raise_bad(files.front().file(), "current-context", "is not set, and no context was asked for");
    const auto context = named(files, "contexts", "context", context_name);
    if (!context) raise_bad(files.front().file(), "contexts", fmt::format("there is no context {}", context_name));
    const auto cluster = named(files, "clusters", "cluster", context->text("cluster"));
    if (!cluster)
        raise_bad(context->file(), context->field("cluster"),
                  fmt::format("there is no cluster {}", context->text("cluster")));

    Access access;
    access.source = fmt::format("context {} of {}", context_name, context->file());
    access.default_ns = context->text("namespace");
    if (access.default_ns.empty()) access.default_ns = "default";
    read_cluster(*cluster, access);
    if (const auto user_name = context->text("user"); !user_name.empty()) {
        const auto user = named(files, "users", "user", user_name);
        if (!user) raise_bad(context->file(), context->field("user"), fmt::format("there is no user {}", user_name));
        read_user(*user, access);
    }
    return access;
}

}  // namespace

Result<Access> load_kubeconfig(const std::string& paths, const std::string& context) {
    try {
        return read_access(paths, context);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

Result<Access> load_in_cluster(const std::string& directory) {
    const auto host = environment("KUBERNETES_SERVICE_HOST");
    const auto port = environment("KUBERNETES_SERVICE_PORT");
    const auto missing = [](std::string what) {
        return std::unexpected(Error{ErrorKind::not_found, "not_in_cluster", std::move(what)});
    };
    if (host.empty() || port.empty()) return missing("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    const auto token = read_file(directory + "/token");
    if (!token) return missing(token.error().message);
    const auto ca = read_file(directory + "/ca.crt");
    if (!ca) return missing(ca.error().message);
    Access access;
    access.source = "the service account of this pod";
    access.server =
        host.contains(':') ? fmt::format("https://[{}]:{}", host, port) : fmt::format("https://{}:{}", host, port);
    access.default_ns = read_file(directory + "/namespace").value_or("default");
    access.tls.ca_pem = *ca;
    access.token_file = directory + "/token";
    return access;
}

Result<Access> find_access(const std::string& paths, const std::string& context) {
    if (!paths.empty()) return load_kubeconfig(paths, context);
    if (const auto from_env = environment("KUBECONFIG"); !from_env.empty()) return load_kubeconfig(from_env, context);
    auto in_cluster = load_in_cluster();
    if (in_cluster) return in_cluster;
    const auto home = environment("HOME") + "/.kube/config";
    auto from_home = load_kubeconfig(home, context);
    if (from_home || from_home.error().kind != ErrorKind::not_found) return from_home;
    return std::unexpected(
        Error{ErrorKind::not_found, "kubeconfig_not_found",
              fmt::format("no cluster to talk to: KUBECONFIG is not set, this is no pod of a cluster ({}), "
                          "{} does not exist",
                          in_cluster.error().message, home)});
}

}  // namespace toygres::kube
