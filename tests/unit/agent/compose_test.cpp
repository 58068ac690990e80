#include "kube/yaml.hpp"
#include "native_environment.hpp"

#include <fmt/format.h>

#include <set>

using namespace toygres;
using namespace toygres::agent;
using namespace toygres::test;

namespace fs = std::filesystem;

namespace {

Json compose_file() {
    const std::string path = std::string(TOYGRES_SOURCE_DIR) + "/deploy/compose/native.yaml";
    const auto text = read_file(path);
    REQUIRE(text);
    const auto yaml = kube::parse_yaml(*text, path);
    if (!yaml) FAIL(yaml.error().message);
    return *yaml;
}

// The root that a container of this service would see: what its image has, and what is mounted there.
void mount_all(const Json& service, const Json& secrets, const std::string& root) {
    fs::create_directories(root + "/run/postgresql");
    for (const auto& volume : service.at("volumes")) {
        const auto text = volume.get<std::string>();
        fs::create_directories(root + text.substr(text.find(':') + 1));
    }
    for (const auto& place : service.at("tmpfs")) {
        const auto text = place.get<std::string>();
        fs::create_directories(root + text.substr(0, text.find(':')));
    }
    fs::create_directories(root + "/run/secrets");
    for (const auto& secret : service.at("secrets")) {
        const auto name = secret.get<std::string>();
        REQUIRE(secrets.contains(name));
        REQUIRE(write_file_atomically(root + "/run/secrets/" + name, "of " + name + "\n"));
    }
}

// Its environment, with every path below that root.
Environment environment_of(const Json& service, const std::string& root) {
    Environment out;
    for (const auto& [name, value] : service.at("environment").items()) out[name] = value.get<std::string>();
    out.try_emplace("PRIVATE_DIR", "/run/toygres-private");
    out.try_emplace("SOCKET_DIR", "/run/postgresql");
    for (auto& [name, value] : out)
        if (value.starts_with('/')) value = root + value;
    return out;
}

}  // namespace

TEST_CASE("compose file: the agent accepts the environment of every service, in these roles and exchanged") {
    const auto file = compose_file();
    NativeEnvironment directories;
    std::map<std::string, ha::Role> roles;
    for (const auto& [name, service] : file.at("services").items()) {
        const auto root = directories.root + "/" + name;
        mount_all(service, file.at("secrets"), root);
        auto environment = environment_of(service, root);
        const auto settings = read_native_settings(environment, service.at("hostname").get<std::string>());
        if (!settings) FAIL(settings.error().front().variable << " " << settings.error().front().what);
        roles[settings->node] = settings->role;
        CHECK(settings->node == name);
        CHECK(file.at("services").contains(settings->primary_host));
        for (const auto& standby : settings->synchronous) CHECK(file.at("services").contains(standby));
        CHECK(settings->superuser_password.reveal() == "of superuser");
        CHECK(settings->replication_password.reveal() == "of replication");
        // After a failover by hand.
        environment["REPLICATION_ROLE"] = settings->role == ha::Role::primary ? "replica" : "primary";
        CHECK(read_native_settings(environment, name));
    }
    CHECK(roles == std::map<std::string, ha::Role>{{"node-a", ha::Role::primary}, {"node-b", ha::Role::replica}});
}

TEST_CASE("compose file: nodes have health checks, volumes of their own, and passwords from secrets alone") {
    const auto file = compose_file();
    std::set<std::string> volumes;
    for (const auto& [name, service] : file.at("services").items()) {
        INFO(name);
        CHECK(service.at("command") == Json::array({"native"}));
        CHECK(service.at("healthcheck").at("test") == Json::array({"CMD", "toygres-agent", "probe"}));
        CHECK(service.at("build").at("dockerfile_inline").get<std::string>().contains("toygres-agent"));
        CHECK(service.at("user") == "postgres");
        CHECK_FALSE(service.at("environment").contains("POSTGRES_PASSWORD"));
        CHECK_FALSE(service.at("environment").contains("REPLICATION_PASSWORD"));
        for (const auto& volume : service.at("volumes")) {
            const auto text = volume.get<std::string>();
            const auto source = text.substr(0, text.find(':'));
            CHECK(file.at("volumes").contains(source));
            CHECK(volumes.insert(source).second);
        }
    }
    for (const auto& [name, secret] : file.at("secrets").items()) CHECK(secret.contains("file"));
}
