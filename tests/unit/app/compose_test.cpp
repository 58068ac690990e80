// The files for docker compose, held against what the Compose Specification allows, and against each other: there need
// not be a docker here.
#include "base/file.hpp"
#include "kube/yaml.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <set>

using namespace toygres;

namespace {

using Names = std::set<std::string>;

const Names top_keys{"name", "services", "volumes", "secrets", "networks", "configs"};
const Names service_keys{"build",       "cap_add",  "cap_drop",   "command",      "configs",  "container_name",
                         "depends_on",  "deploy",   "entrypoint", "environment",  "expose",   "extra_hosts",
                         "healthcheck", "hostname", "image",      "init",         "labels",   "network_mode",
                         "networks",    "pid",      "ports",      "privileged",   "profiles", "pull_policy",
                         "read_only",   "restart",  "secrets",    "security_opt", "shm_size", "stop_grace_period",
                         "stop_signal", "sysctls",  "tmpfs",      "ulimits",      "user",     "volumes",
                         "working_dir"};

Json compose(const std::string& path) {
    return value_or_raise(
        kube::parse_yaml(value_or_raise(read_file(std::string(TOYGRES_SOURCE_DIR) + "/" + path)), path));
}

Names keys_of(const Json& object) {
    Names out;
    for (const auto& [key, value] : object.items()) out.insert(key);
    return out;
}

void check_within(const Json& object, const Names& allowed) {
    for (const auto& key : keys_of(object)) {
        INFO(key);
        CHECK(allowed.contains(key));
    }
}

void check_health(const Json& health) {
    check_within(health, {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"});
    CHECK(Names{"CMD", "CMD-SHELL", "NONE"}.contains(health.at("test").at(0).get<std::string>()));
}

void check_references(const Json& file, const Json& service) {
    const auto declared = [&](const char* kind) { return keys_of(file.value(kind, Json::object())); };
    for (const auto& volume : service.value("volumes", Json::array())) {
        const auto text = volume.get<std::string>();
        const auto source = text.substr(0, text.find(':'));
        INFO("volume " << text);
        CHECK(text.find(":/") != std::string::npos);
        if (!source.starts_with('.') && !source.starts_with('/')) CHECK(declared("volumes").contains(source));
    }
    for (const auto& secret : service.value("secrets", Json::array()))
        CHECK(declared("secrets").contains(secret.get<std::string>()));
    const auto waits = service.value("depends_on", Json::object());
    for (const auto& [other, how] : waits.items()) {
        INFO("depends on " << other);
        REQUIRE(declared("services").contains(other));
        if (how.at("condition") == "service_healthy") CHECK(file.at("services").at(other).contains("healthcheck"));
    }
    if (const auto mode = service.value("network_mode", ""); mode.starts_with("service:")) {
        CHECK(declared("services").contains(mode.substr(8)));
        // The one whose network it is publishes its ports.
        CHECK_FALSE(service.contains("ports"));
        CHECK_FALSE(service.contains("networks"));
    }
}

}  // namespace

TEST_CASE("compose: the files are what the specification allows, and name nothing that is not there") {
    for (const auto* path : {"docker-compose.yml", "deploy/compose/native.yaml"}) {
        INFO(path);
        const auto file = compose(path);
        check_within(file, top_keys);
        for (const auto& [name, service] : file.at("services").items()) {
            INFO(name);
            check_within(service, service_keys);
            CHECK((service.contains("image") || service.contains("build")));
            if (service.contains("healthcheck")) check_health(service.at("healthcheck"));
            for (const auto& [variable, value] : service.value("environment", Json::object()).items()) {
                INFO(variable);
                // What YAML makes a boolean of is refused by docker compose.
                CHECK_FALSE(value.is_boolean());
            }
            check_references(file, service);
        }
        for (const auto& [name, secret] : file.value("secrets", Json::object()).items()) CHECK(secret.contains("file"));
    }
}

TEST_CASE("compose: the server shares the network of its Kubernetes, and each file that it names is mounted") {
    const auto file = compose("docker-compose.yml");
    const auto& server = file.at("services").at("toygres");
    CHECK(server.at("network_mode") == "service:k3s");
    Names mounted;
    for (const auto& secret : server.at("secrets")) mounted.insert("/run/secrets/" + secret.get<std::string>());
    for (const auto* variable : {"TOYGRES_DATABASE_PASSWORD_FILE", "TOYGRES_SEAL_KEY_FILE"})
        CHECK(mounted.contains(server.at("environment").at(variable).get<std::string>()));
    const auto& k3s = file.at("services").at("k3s");
    const auto kubeconfig = k3s.at("environment").at("K3S_KUBECONFIG_OUTPUT").get<std::string>();
    CHECK(server.at("command").dump().contains("--kubeconfig=" + kubeconfig));
    CHECK(k3s.at("ports").dump().contains(":8080"));
    CHECK(server.at("command").dump().contains("--listen=0.0.0.0:8080"));
}
