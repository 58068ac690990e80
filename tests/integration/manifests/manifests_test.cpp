// The objects of an instance, held against the API server of a real cluster by the stock kubectl. Nothing is made
// there: every request is a dry run.
#include "kube/manifests.hpp"

#include "base/file.hpp"
#include "base/process.hpp"
#include "kube/client.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"

#include <cstdlib>
#include <filesystem>
#include <set>

using namespace toygres;
using namespace std::chrono_literals;

namespace {

constexpr auto variable = "TOYGRES_TEST_KUBECONFIG";

// A directory that goes with the test.
struct Scratch {
    std::string path;
    Scratch() {
        auto name = (std::filesystem::temp_directory_path() / "toygres-manifests-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

std::vector<Json> objects_of_an_instance() {
    const kube::InstanceSpec spec{.name = "mydb",
                                  .instance_id = "8f14e45f-ceea-467f-ab54-2c5f1e6d7a01",
                                  .k8s_name = "mydb-1a2b3c4d",
                                  .ns = "default",
                                  .postgres_version = "15",
                                  .storage_gb = 1,
                                  .members = 1,
                                  .service_type = kube::ServiceType::LoadBalancer,
                                  .agent_image = "toygres-agent:0.1.0"};
    const auto templates = value_or_raise(kube::Templates::embedded());
    auto out = value_or_raise(kube::secret_objects(templates, spec, kube::make_secrets(spec)));
    for (auto& object : value_or_raise(kube::instance_objects(templates, spec, kube::first_topology(spec))))
        out.push_back(std::move(object));
    return out;
}

Finished kubectl(const std::string& kubeconfig, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"kubectl", "--kubeconfig", kubeconfig});
    return value_or_raise(test::run(run_command({.argv = std::move(arguments)}, {}, 60s)));
}

}  // namespace

TEST_CASE("manifests: a real API server takes every object of an instance") {
    const char* kubeconfig = std::getenv(variable);
    if (kubeconfig == nullptr || *kubeconfig == '\0') {
        WARN("skipped: " << variable << " names no kubeconfig of a real cluster");
        return;
    }
    asio::io_context io;
    kube::Client client(io.get_executor(), value_or_raise(kube::load_kubeconfig(kubeconfig)));
    const Scratch scratch;
    std::set<std::string> kinds;
    for (auto object : objects_of_an_instance()) {
        const auto kind = object.at("kind").get<std::string>();
        const auto name = object.at("metadata").at("name").get<std::string>();
        INFO(kind << " " << name);
        kinds.insert(kind);
        object["apiVersion"] = value_or_raise(test::run(io, client.served_version(kind)));
        const auto file = scratch.path + "/object.json";
        value_or_raise(write_file_atomically(file, object.dump(), 0600));
        const auto applied = kubectl(kubeconfig, {"apply", "--server-side", "--field-manager=toygres",
                                                  "--dry-run=server", "-o", "json", "-f", file});
        INFO(applied.errors);
        CHECK(applied.status.ok());
        CHECK(applied.errors.empty());  // a warning too means that something is not as the server wants it
        if (applied.status.ok()) {
            const auto answer = value_or_raise(parse_json(applied.output));
            CHECK(answer.at("kind") == kind);
            CHECK(answer.at("metadata").at("name") == name);
        }
    }
    CHECK(kinds == std::set<std::string>{"ConfigMap", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget",
                                         "Role", "RoleBinding", "Secret", "Service", "ServiceAccount", "StatefulSet"});
}
