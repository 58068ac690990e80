// The objects of an installation: the verb prints what kustomize makes of deploy/kubernetes, and they are as confined
// as docs/kubernetes.md says.
#include "app/manifests.hpp"

#include "base/json.hpp"
#include "cli/cli.hpp"
#include "kube/resource.hpp"
#include "kube/yaml.hpp"
#include "support/catch.hpp"
#include "support/kubectl.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <set>

using namespace toygres;

namespace {

cli::ManifestsOptions standard() {
    return {.ns = "toygres",
            .with_namespace = true,
            .image = "toygres:" TOYGRES_VERSION,
            .agent_image = "toygres-agent:" TOYGRES_VERSION,
            .replicas = 1,
            .database_url_secret = "",
            .database_image = "postgres:17",
            .database_storage_gb = 10};
}

// By "Kind name".
using Objects = std::map<std::string, Json>;

Objects objects_of(const std::string& text) {
    Objects out;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find("\n---\n", begin), text.size());
        const auto document = text.substr(begin, end - begin);
        begin = end + 5;
        const auto object = value_or_raise(kube::parse_yaml(document, "manifests"));
        const auto name = fmt::format("{} {}", object.at("kind").get<std::string>(),
                                      object.at("metadata").at("name").get<std::string>());
        CHECK(out.emplace(name, object).second);
    }
    return out;
}

Objects rendered(const cli::ManifestsOptions& options) {
    return objects_of(value_or_raise(app::render_manifests(options)));
}

Objects kustomized(const std::string& overlay) {
    const auto command = fmt::format("{} kustomize {}/deploy/kubernetes/overlays/{}", test::kubectl_program(),
                                     TOYGRES_SOURCE_DIR, overlay);
    std::FILE* pipe = ::popen(command.c_str(), "re");
    REQUIRE(pipe != nullptr);
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    REQUIRE(::pclose(pipe) == 0);
    return objects_of(text);
}

void check_restricted(const Json& pod) {
    const auto& security = pod.at("securityContext");
    CHECK(security.at("runAsNonRoot") == true);
    CHECK(security.at("runAsUser").get<int>() > 0);
    CHECK(security.at("seccompProfile").at("type") == "RuntimeDefault");
    for (const auto* list : {"initContainers", "containers"})
        for (const auto& container : pod.value(list, Json::array())) {
            INFO(container.at("name"));
            const auto& own = container.at("securityContext");
            CHECK(own.at("allowPrivilegeEscalation") == false);
            CHECK(own.at("readOnlyRootFilesystem") == true);
            CHECK(own.at("capabilities") == Json{{"drop", {"ALL"}}});
            CHECK(container.at("resources").contains("requests"));
        }
    for (const auto* forbidden : {"hostNetwork", "hostPID", "hostIPC"}) CHECK_FALSE(pod.contains(forbidden));
    for (const auto& volume : pod.at("volumes")) CHECK_FALSE(volume.contains("hostPath"));
}

}  // namespace

TEST_CASE("manifests: the verb prints what kustomize makes of each overlay") {
    // The kustomize in older ones knows no components.
    if (test::kubectl_minor() < 21) {
        WARN("skipped: kubectl is older than 1.21");
        return;
    }
    for (const auto& [overlay, replicas, secret] : {std::tuple("single", 1, ""),
                                                    {"single-external", 1, "toygres-database"},
                                                    {"ha", 2, ""},
                                                    {"ha-external", 2, "toygres-database"}}) {
        INFO(overlay);
        auto options = standard();
        options.replicas = replicas;
        options.database_url_secret = secret;
        const auto ours = rendered(options);
        const auto theirs = kustomized(overlay);
        for (const auto& [name, object] : theirs) {
            INFO(name);
            REQUIRE(ours.contains(name));
            CHECK(ours.at(name) == object);
        }
        CHECK(ours.size() == theirs.size());
    }
}

TEST_CASE("manifests: every object is in the namespace that was asked for") {
    auto options = standard();
    options.ns = "databases";
    options.replicas = 2;
    for (const auto& [name, object] : rendered(options)) {
        INFO(name);
        CHECK_FALSE(object.dump().contains("\"namespace\":\"toygres\""));
        if (object.at("kind") == "Namespace")
            CHECK(name == "Namespace databases");
        else
            CHECK(object.at("metadata").at("namespace") == "databases");
    }
    options.with_namespace = false;
    CHECK_FALSE(rendered(options).contains("Namespace databases"));
}

TEST_CASE("manifests: images, database, disks and ports are as asked for") {
    auto options = standard();
    options.image = "registry.example/toygres:7";
    options.agent_image = "registry.example/agent:7";
    options.database_image = "registry.example/postgres:16";
    options.database_storage_gb = 3;
    options.storage_class = "fast";
    options.postgres_versions = {"16", "17"};
    options.egress_ports = {6432};
    auto objects = rendered(options);
    const auto deployment = objects.at("Deployment toygres").dump();
    CHECK(deployment.contains(R"("image":"registry.example/toygres:7")"));
    CHECK(deployment.contains(R"({"name":"TOYGRES_AGENT_IMAGE","value":"registry.example/agent:7"})"));
    CHECK(deployment.contains("--storage-class=fast"));
    CHECK(deployment.contains("--postgres-versions=16,17"));
    CHECK_FALSE(deployment.contains("secretKeyRef"));
    const auto database = objects.at("StatefulSet toygres-cms").dump();
    CHECK(database.contains("registry.example/postgres:16"));
    CHECK(database.contains("registry.example/agent:7"));
    CHECK(database.contains(R"("storage":"3Gi")"));
    CHECK(database.contains(R"("storageClassName":"fast")"));
    CHECK(objects.at("NetworkPolicy toygres").dump().contains(R"("port":6432)"));

    options.database_url_secret = "mine";
    objects = rendered(options);
    CHECK_FALSE(objects.contains("StatefulSet toygres-cms"));
    CHECK(objects.at("Deployment toygres").dump().contains(R"("secretKeyRef":{"key":"url","name":"mine"})"));
}

TEST_CASE("manifests: the server may reach the collector that its traces go to") {
    auto options = standard();
    const auto ports_open = [&] {
        std::multiset<int> out;
        for (const auto& port : rendered(options).at("NetworkPolicy toygres").at("spec").at("egress").at(0).at("ports"))
            out.insert(port.at("port").get<int>());
        return out;
    };
    const auto usual = ports_open();
    for (const auto& [url, port] :
         {std::pair("http://collector.tracing:4318", 4318), {"http://collector.tracing/v1/traces", 80}}) {
        INFO(url);
        options.otlp_endpoint = url;
        auto expected = usual;
        expected.insert(port);
        CHECK(ports_open() == expected);
    }
    options.otlp_endpoint = "https://collector.example";
    CHECK(ports_open() == usual);
    for (const auto* wrong : {"collector:4318", "http://", "ftp://collector", "http://collector:0", "http://a b",
                              "http://me:secret@collector"}) {
        INFO(wrong);
        options.otlp_endpoint = wrong;
        const auto refused = app::render_manifests(options);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.contains("--otlp-endpoint"));
    }
}

TEST_CASE("manifests: a disruption budget is in the version that the cluster has") {
    auto options = standard();
    CHECK_FALSE(rendered(options).contains("PodDisruptionBudget toygres"));
    options.replicas = 2;
    for (const auto& [version, api] : {std::pair("", "policy/v1"),
                                       {"1.20", "policy/v1beta1"},
                                       {"v1.20.2", "policy/v1beta1"},
                                       {"1.21", "policy/v1"},
                                       {"1.33+", "policy/v1"}}) {
        INFO(version);
        options.kube_version = version;
        CHECK(rendered(options).at("PodDisruptionBudget toygres").at("apiVersion") == api);
    }
}

TEST_CASE("manifests: what cannot be is refused with what to do") {
    auto options = standard();
    options.kube_version = "1.19";
    CHECK(app::render_manifests(options).error().message.contains("1.20"));
    for (const auto* version : {"2.0", "twenty", "1.", "1.2x"}) {
        options.kube_version = version;
        CHECK_FALSE(app::render_manifests(options));
    }
    options = standard();
    for (const auto* ns : {"", "Upper", "-x", "a.b"}) {
        options.ns = ns;
        CHECK(app::render_manifests(options).error().message.contains("--namespace"));
    }
}

TEST_CASE("manifests: the pods keep to the strictest Pod Security level") {
    auto options = standard();
    options.replicas = 2;
    int pods = 0;
    for (const auto& [name, object] : rendered(options)) {
        if (!object.contains("spec") || !object.at("spec").contains("template")) continue;
        INFO(name);
        check_restricted(object.at("spec").at("template").at("spec"));
        ++pods;
    }
    CHECK(pods == 2);
}

TEST_CASE("manifests: the server is started with arguments and variables that it knows") {
    auto options = standard();
    options.storage_class = "fast";
    options.postgres_versions = {"16", "17"};
    options.otlp_endpoint = "http://collector.tracing:4318";
    const auto container =
        rendered(options).at("Deployment toygres").at("spec").at("template").at("spec").at("containers").at(0);
    std::vector<std::string> words{"toygres"};
    for (const auto& argument : container.at("args")) words.push_back(argument.get<std::string>());
    for (const auto& variable : container.at("env"))
        if (variable.contains("value"))
            ::setenv(variable.at("name").get<std::string>().c_str(), variable.at("value").get<std::string>().c_str(),
                     1);
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str());
    std::optional<cli::ServerOptions> given;
    const int code = cli::run_cli(static_cast<int>(argv.size()), argv.data(), {.server = [&](const auto& o) {
                                      given = o;
                                      return 0;
                                  }});
    CHECK(code == 0);
    REQUIRE(given);
    CHECK(given->installation_secret == "toygres-installation");
    CHECK(given->agent_image == options.agent_image);
    CHECK(given->database_url.contains("@toygres-cms/"));
    CHECK(given->listen_port == 8080);
    CHECK(given->stop_delay == std::chrono::seconds(5));
    CHECK(given->allow_plain_http);
    CHECK(given->otlp_endpoint == "http://collector.tracing:4318");
}

TEST_CASE("manifests: with a Secret for TLS the server ends it itself, and nothing is in clear") {
    auto options = standard();
    options.tls_secret = "api-tls";
    const auto objects = rendered(options);
    const auto& pod = objects.at("Deployment toygres").at("spec").at("template").at("spec");
    const auto& container = pod.at("containers").at(0);
    CHECK_FALSE(container.at("args").dump().contains("--allow-plain-http"));
    CHECK(container.at("args").dump().contains("--tls-cert=/run/toygres/tls/tls.crt"));
    CHECK(pod.at("volumes").back().at("secret").at("secretName") == "api-tls");
    for (const auto* probe : {"startupProbe", "livenessProbe", "readinessProbe"})
        CHECK(container.at(probe).at("httpGet").at("scheme") == "HTTPS");
    CHECK(objects.at("Service toygres").at("spec").at("ports").at(0).at("port") == 443);
    check_restricted(pod);
}

TEST_CASE("manifests: no secret is in them, and no permission beyond the namespace or by a wildcard") {
    auto options = standard();
    options.replicas = 2;
    for (const auto& [name, object] : rendered(options)) {
        INFO(name);
        const auto kind = object.at("kind").get<std::string>();
        CHECK(kind != "Secret");
        CHECK_FALSE(kind.starts_with("Cluster"));
        if (kind == "Role") CHECK_FALSE(object.at("rules").dump().contains('*'));
    }
}
