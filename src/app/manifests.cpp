#include "app/manifests.hpp"

#include "base/assert.hpp"
#include "base/json.hpp"
#include "cli/output.hpp"
#include "embedded/manifests_base.hpp"
#include "embedded/manifests_database.hpp"
#include "embedded/manifests_ha.hpp"
#include "kube/yaml.hpp"

#include <boost/url/parse.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

namespace toygres::app {
namespace {

using Files = std::span<const std::pair<std::string_view, std::string_view>>;

constexpr int kubernetes_minor_min = 20;
constexpr int policy_v1_minor = 21;

struct Manifest {
    std::string comment;  // the lines that its file begins with
    Json object;
};

Error bad_option(std::string message) { return {ErrorKind::invalid, "invalid_manifests_option", std::move(message)}; }

std::string_view file_of(Files files, std::string_view name) {
    const auto it = std::ranges::find(files, name, [](const auto& file) { return file.first; });
    TG_ASSERT(it != files.end());
    return it->second;
}

std::string comment_of(std::string_view text) {
    std::size_t end = 0;
    while (text.substr(end).starts_with('#')) end = text.find('\n', end) + 1;
    return std::string(text.substr(0, end));
}

Json parse(Files files, std::string_view name) {
    return value_or_raise(kube::parse_yaml(file_of(files, name), std::string(name)));
}

// What its kustomization.yaml lists, in that order.
void add_part(Files files, std::vector<Manifest>& out) {
    const auto part = parse(files, "kustomization.yaml");
    for (const auto& name : part.at("resources")) {
        const auto& file = name.get_ref<const std::string&>();
        out.push_back({comment_of(file_of(files, file)), parse(files, file)});
    }
}

Json* find(std::vector<Manifest>& manifests, std::string_view kind) {
    for (auto& m : manifests)
        if (m.object.at("kind") == kind) return &m.object;
    return nullptr;
}

Json& pod_of(Json& object) { return object.at("spec").at("template").at("spec"); }
Json& container_of(Json& object) { return pod_of(object).at("containers").at(0); }

Json& variable_of(Json& container, std::string_view name) {
    for (auto& variable : container.at("env"))
        if (variable.at("name") == name) return variable;
    raise(ErrorKind::internal, "no_such_variable", fmt::format("the container has no variable {}", name));
}

// As kustomize merges database/deployment-patch.yaml.
void use_embedded_database(Json& deployment) {
    auto patch = parse(embedded::manifests_database(), "deployment-patch.yaml");
    auto& variable = container_of(patch).at("env").at(0);
    auto& target = variable_of(container_of(deployment), variable.at("name").get<std::string>());
    target.merge_patch(variable);
}

void fill_deployment(Json& deployment, const cli::ManifestsOptions& options) {
    auto& container = container_of(deployment);
    deployment["spec"]["replicas"] = options.replicas;
    container["image"] = options.image;
    variable_of(container, "TOYGRES_AGENT_IMAGE")["value"] = options.agent_image;
    if (options.database_url_secret.empty())
        use_embedded_database(deployment);
    else
        variable_of(container, "TOYGRES_DATABASE_URL")["valueFrom"]["secretKeyRef"]["name"] =
            options.database_url_secret;
    if (options.storage_class) container["args"].push_back("--storage-class=" + *options.storage_class);
    if (!options.postgres_versions.empty())
        container["args"].push_back(fmt::format("--postgres-versions={}", fmt::join(options.postgres_versions, ",")));
}

// As a Secret of type kubernetes.io/tls holds them; the server sees it when they are renewed.
void serve_tls(Json& deployment, Json& service, const std::string& secret) {
    auto& container = container_of(deployment);
    auto& args = container["args"];
    std::erase(args.get_ref<Json::array_t&>(), Json("--allow-plain-http"));
    args.push_back("--tls-cert=/run/toygres/tls/tls.crt");
    args.push_back("--tls-key=/run/toygres/tls/tls.key");
    container["volumeMounts"].push_back({{"name", "tls"}, {"mountPath", "/run/toygres/tls"}, {"readOnly", true}});
    pod_of(deployment)["volumes"].push_back(
        {{"name", "tls"}, {"secret", {{"secretName", secret}, {"defaultMode", 0440}}}});
    for (const auto* probe : {"startupProbe", "livenessProbe", "readinessProbe"})
        container[probe]["httpGet"]["scheme"] = "HTTPS";
    auto& port = service["spec"]["ports"][0];
    port["name"] = "https";
    port["port"] = 443;
}

void fill_database(Json& set, const cli::ManifestsOptions& options) {
    pod_of(set)["initContainers"][0]["image"] = options.agent_image;
    container_of(set)["image"] = options.database_image;
    auto& claim = set["spec"]["volumeClaimTemplates"][0]["spec"];
    claim["resources"]["requests"]["storage"] = fmt::format("{}Gi", options.database_storage_gb);
    if (options.storage_class) claim["storageClassName"] = *options.storage_class;
}

void open_ports(Json& policy, const std::vector<int>& ports) {
    auto& open = policy["spec"]["egress"][0]["ports"];
    for (const auto port : ports)
        if (const Json entry = {{"protocol", "TCP"}, {"port", port}}; std::ranges::find(open, entry) == open.end())
            open.push_back(entry);
}

// The port that it leads to.
Result<int> port_of(const std::string& option, const std::string& text) {
    const auto url = boost::urls::parse_uri(text);
    if (!url || url->host().empty() || (url->scheme() != "http" && url->scheme() != "https") ||
        (url->has_port() && url->port_number() == 0))
        return std::unexpected(bad_option(fmt::format("{}: {} is no http:// or https:// URL", option, text)));
    if (url->has_userinfo())
        return std::unexpected(bad_option(option + ": must hold no user and no password, for it is in no Secret"));
    if (url->has_port()) return url->port_number();
    return url->scheme() == "https" ? 443 : 80;
}

Result<void> send_traces(Json& deployment, Json& policy, const std::string& endpoint) {
    const auto port = port_of("--otlp-endpoint", endpoint);
    if (!port) return std::unexpected(port.error());
    container_of(deployment)["env"].push_back({{"name", "TOYGRES_OTLP_ENDPOINT"}, {"value", endpoint}});
    open_ports(policy, {*port});
    return {};
}

void move_to(std::vector<Manifest>& manifests, const std::string& ns) {
    for (auto& [comment, object] : manifests) {
        object["metadata"][object.at("kind") == "Namespace" ? "name" : "namespace"] = ns;
        if (object.contains("subjects"))
            for (auto& subject : object["subjects"]) subject["namespace"] = ns;
    }
}

bool is_namespace_name(std::string_view text) {
    return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

// The minor of "1.20", "v1.20.2" or "1.27+"; a current one for an empty text.
Result<int> minor_of(std::string_view text) {
    if (text.empty()) return 100;
    const auto bad = [&] {
        return std::unexpected(bad_option(fmt::format("--kube-version: {} is no version such as 1.20", text)));
    };
    auto rest = text;
    if (rest.starts_with('v')) rest.remove_prefix(1);
    if (!rest.starts_with("1.")) return bad();
    rest.remove_prefix(2);
    int minor = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), minor);
    if (error != std::errc() || (end != rest.data() + rest.size() && *end != '.' && *end != '+')) return bad();
    if (minor < kubernetes_minor_min)
        return std::unexpected(bad_option(fmt::format(
            "--kube-version: toygres needs Kubernetes 1.{} or a newer one, not {}", kubernetes_minor_min, text)));
    return minor;
}

}  // namespace

Result<std::string> render_manifests(const cli::ManifestsOptions& options) {
    if (!is_namespace_name(options.ns))
        return std::unexpected(bad_option(fmt::format(
            "--namespace: \"{}\" is no name of a namespace: up to 63 lower-case letters, digits and -", options.ns)));
    const auto minor = minor_of(options.kube_version);
    if (!minor) return std::unexpected(minor.error());

    std::vector<Manifest> manifests;
    add_part(embedded::manifests_base(), manifests);
    if (options.database_url_secret.empty()) add_part(embedded::manifests_database(), manifests);
    if (options.replicas > 1) add_part(embedded::manifests_ha(), manifests);
    if (!options.with_namespace)
        std::erase_if(manifests, [](const auto& m) { return m.object.at("kind") == "Namespace"; });
    move_to(manifests, options.ns);
    fill_deployment(*find(manifests, "Deployment"), options);
    if (!options.tls_secret.empty())
        serve_tls(*find(manifests, "Deployment"), *find(manifests, "Service"), options.tls_secret);
    auto& policy = *find(manifests, "NetworkPolicy");
    open_ports(policy, options.egress_ports);
    if (!options.otlp_endpoint.empty())
        if (auto sent = send_traces(*find(manifests, "Deployment"), policy, options.otlp_endpoint); !sent)
            return std::unexpected(std::move(sent).error());
    if (auto* set = find(manifests, "StatefulSet")) fill_database(*set, options);
    if (auto* budget = find(manifests, "PodDisruptionBudget"); budget != nullptr && *minor < policy_v1_minor)
        (*budget)["apiVersion"] = "policy/v1beta1";

    std::string out;
    for (const auto& [comment, object] : manifests)
        out += fmt::format("---\n{}{}", comment, cli::render(object, cli::Format::yaml));
    return out;
}

std::vector<kube::Permission> server_permissions(const std::string& ns) {
    using Strings = std::vector<std::string>;
    const auto role = parse(embedded::manifests_base(), "role.yaml");
    std::vector<kube::Permission> out;
    for (const auto& rule : role.at("rules"))
        for (const auto& group : rule.at("apiGroups").get<Strings>())
            for (const auto& resource : rule.at("resources").get<Strings>())
                for (const auto& verb : rule.at("verbs").get<Strings>()) {
                    const auto slash = resource.find('/');
                    out.push_back({verb, group, resource.substr(0, slash),
                                   slash == std::string::npos ? "" : resource.substr(slash + 1), ns});
                }
    return out;
}

}  // namespace toygres::app
