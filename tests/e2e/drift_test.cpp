// What somebody made and took away behind toygres' back, with kubectl, and what a repair makes of it.
#include "base/file.hpp"
#include "stack.hpp"
#include "support/kubectl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Finding {
    std::string reason;
    std::string object;  // "Service mydb-1a2b3c4d"
    std::string repair;
    std::string kept;
};

std::string text_of(const Json& object, const char* key) {
    const auto value = object.value(key, Json());
    return value.is_string() ? value.get<std::string>() : "";
}

std::vector<Finding> drift(const Stack& stack, const std::string& query = {}) {
    const auto response = stack.call("GET", "/api/v1/system/drift" + query);
    INFO(response.body);
    REQUIRE(response.status == 200);
    std::vector<Finding> out;
    const auto body = Json::parse(response.body);
    for (const auto& f : body.at("findings"))
        out.push_back({text_of(f, "reason"), text_of(f, "kind") + " " + text_of(f, "object"), text_of(f, "repair"),
                       text_of(f, "kept")});
    return out;
}

std::optional<Finding> find(const std::vector<Finding>& findings, const std::string& object) {
    const auto it = std::ranges::find(findings, object, &Finding::object);
    return it == findings.end() ? std::nullopt : std::optional(*it);
}

class Kubectl {
  public:
    explicit Kubectl(const Stack& stack)
        : directory_(stack.directory),
          command_(fmt::format("KUBECONFIG={} {} ", stack.kubeconfig(), kubectl_program())) {}
    std::string operator()(const std::string& arguments) const {
        const auto ran = shell(command_ + arguments);
        INFO(arguments << "\n" << ran.output);
        REQUIRE(ran.code == 0);
        return ran.output;
    }
    bool has(const std::string& object) const { return shell(command_ + "get " + object).code == 0; }
    // An object with the labels of an instance that nobody has on record.
    void make(const std::string& kind, const std::string& name, const std::string& spec,
              const std::string& installation) const {
        const auto file = directory_ + "/object.yaml";
        const auto text = fmt::format(
            "apiVersion: v1\nkind: {}\nmetadata:\n  name: {}\n  labels:\n    app.kubernetes.io/managed-by: toygres\n"
            "    toygres.io/instance: ghost-1a2b3c4d\n    toygres.io/installation: {}\n{}\n",
            kind, name, installation, spec);
        value_or_raise(write_file_atomically(file, text, 0600));
        (*this)("apply -f " + file);
    }
    // Which objects of an instance there are, and that nobody wrote to them: pods and their sets report on themselves.
    std::string state_of(const std::string& k8s_name) const {
        return (*this)(
            "get services,secrets,persistentvolumeclaims,networkpolicies,roles,rolebindings,"
            "serviceaccounts -l toygres.io/instance=" +
            k8s_name +
            " -o 'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} "
            "{.metadata.resourceVersion}{\"\\n\"}{end}'");
    }

  private:
    std::string directory_;
    std::string command_;
};

std::string k8s_name_of(const Stack& stack, const std::string& name) {
    return stack.value(
        fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}' AND state = 'running'", name));
}

bool monitor_runs(const Stack& stack, const std::string& k8s_name) {
    return stack.value(fmt::format("SELECT count(*) FROM orchestrations WHERE id = 'health-{}' AND finished_at IS NULL",
                                   k8s_name)) == "1";
}

std::string audited(const Stack& stack, const std::string& action, const std::string& object) {
    return stack.value(fmt::format(
        "SELECT string_agg(outcome, ' ') FROM audit_log WHERE action = '{}' AND object = '{}'", action, object));
}

}  // namespace

TEST_CASE("drift: what kubectl made and took away is told by name; a repair mends that, and nothing else", "[drift]") {
    auto& stack = shared_stack();
    const Kubectl kubectl(stack);
    REQUIRE(drift(stack).empty());
    REQUIRE(stack.wait_operation(stack.create("sound")).at("state") == "succeeded");
    REQUIRE(stack.wait_operation(stack.create("hurt")).at("state") == "succeeded");
    const auto hurt = k8s_name_of(stack, "hurt");
    const auto sound = k8s_name_of(stack, "sound");
    const auto ours = stack.value("SELECT id FROM installation");
    CHECK(eventually([&] { return drift(stack).empty(); }));
    const auto untouched = kubectl.state_of(sound);
    CHECK(untouched.contains("Secret/" + sound + "-superuser"));

    kubectl.make("ConfigMap", "ghost-config", "data: {a: b}", ours);
    kubectl.make("Service", "ghost", "spec: {clusterIP: None, ports: [{port: 5432}]}", ours);
    kubectl.make("Secret", "ghost-secret", "stringData: {a: b}", ours);
    kubectl.make("PersistentVolumeClaim", "ghost-data",
                 "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}", ours);
    kubectl.make("ConfigMap", "strange-config", "data: {a: b}", "0c0c0c0c-2222-4333-8444-555555555555");
    kubectl(fmt::format("delete service/{0} service/{0}-ro networkpolicy/{0} secret/{0}-replication", hurt));
    kubectl(fmt::format("annotate --overwrite role {} toygres.io/instance-id=somebody", hurt));
    REQUIRE(stack.cli("orchestrations pause supervisor").code == 0);
    REQUIRE(stack.cli(fmt::format("orchestrations terminate health-{} --reason drift --yes", hurt)).code == 0);
    REQUIRE(eventually([&] { return !monitor_runs(stack, hurt); }));

    auto found = drift(stack);
    for (const auto* object :
         {"ConfigMap ghost-config", "Service ghost", "Secret ghost-secret", "PersistentVolumeClaim ghost-data"}) {
        INFO(object);
        REQUIRE(find(found, object));
        CHECK(find(found, object)->reason == "no_instance");
        CHECK(find(found, object)->kept == "too_young");
    }
    CHECK(find(found, "ConfigMap strange-config")->kept == "other_installation");
    for (const auto& object :
         {"Service " + hurt, "Service " + hurt + "-ro", "NetworkPolicy " + hurt, "Secret " + hurt + "-replication"}) {
        INFO(object);
        REQUIRE(find(found, object));
        CHECK(find(found, object)->reason == "object_missing");
        CHECK(find(found, object)->repair == "apply");
    }
    CHECK(find(found, "Role " + hurt)->reason == "foreign_owner");
    CHECK(find(found, "Monitor health-" + hurt)->reason == "monitor_missing");
    CHECK(std::ranges::none_of(found, [&](const Finding& f) { return f.object.contains(sound); }));
    const auto shown = stack.cli("drift");
    CHECK(shown.code == 0);
    CHECK(shown.output.contains("ghost-config"));

    // A look, a dry run and a repair that nobody confirmed change nothing.
    const auto planned = stack.call("POST", "/api/v1/system/drift/repair", {{"grace", "0s"}});
    REQUIRE(planned.status == 200);
    CHECK(Json::parse(planned.body).at("actions").size() == 8);
    CHECK(stack.cli("drift --repair --grace 0s").code != 0);
    CHECK(drift(stack).size() == found.size());

    const auto repaired = stack.cli("drift --repair --grace 0s --yes");
    INFO(repaired.output);
    CHECK(repaired.code == 0);
    CHECK_FALSE(kubectl.has("configmap ghost-config"));
    CHECK_FALSE(kubectl.has("service ghost"));
    CHECK(kubectl.has("configmap strange-config"));
    CHECK(kubectl.has("pvc ghost-data"));
    CHECK(kubectl.has("secret ghost-secret"));
    CHECK(monitor_runs(stack, hurt));
    CHECK(stack.can_connect("hurt"));
    CHECK(audited(stack, "drift.remove", "ConfigMap ghost-config") == "done");
    CHECK(audited(stack, "drift.apply", "Service " + hurt) == "done");
    CHECK(audited(stack, "drift.start_monitor", "health-" + hurt) == "done");
    CHECK(audited(stack, "system.repair_drift", "repair-drift") == "done");
    CHECK(stack.value("SELECT count(*) FROM drift_detections WHERE k8s_name = 'ghost-1a2b3c4d' AND resolved_at IS NOT "
                      "NULL") == "2");
    found = drift(stack, "?grace=0s");
    CHECK(found.size() == 3);
    CHECK(find(found, "PersistentVolumeClaim ghost-data")->kept == "volume");
    CHECK(find(found, "Secret ghost-secret")->kept == "volume_stays");

    CHECK(stack.cli("drift --repair --grace 0s --remove-volumes --yes").code == 0);
    CHECK_FALSE(kubectl.has("pvc ghost-data"));
    CHECK_FALSE(kubectl.has("secret ghost-secret"));
    CHECK(kubectl.has("configmap strange-config"));
    CHECK(kubectl.state_of(sound) == untouched);

    kubectl("delete configmap strange-config");
    CHECK(stack.cli("orchestrations resume supervisor").code == 0);
    CHECK(drift(stack).empty());
    CHECK(stack.wait_operation(stack.remove("sound")).at("state") == "succeeded");
    CHECK(stack.wait_operation(stack.remove("hurt")).at("state") == "succeeded");
    CHECK(drift(stack).empty());
    CHECK(stack.broken_invariants().empty());
}

TEST_CASE("drift: a superuser's Secret that is gone comes back with a password that opens", "[drift]") {
    auto& stack = shared_stack();
    const Kubectl kubectl(stack);
    REQUIRE(stack.wait_operation(stack.create("locked")).at("state") == "succeeded");
    const auto locked = k8s_name_of(stack, "locked");
    kubectl("delete secret " + locked + "-superuser");
    REQUIRE(find(drift(stack), "Secret " + locked + "-superuser"));
    CHECK(stack.cli("drift --repair --yes").code == 0);
    CHECK(kubectl.has("secret " + locked + "-superuser"));
    CHECK(eventually([&] { return stack.can_connect("locked"); }));
    CHECK(drift(stack).empty());
    CHECK(stack.wait_operation(stack.remove("locked")).at("state") == "succeeded");
}
