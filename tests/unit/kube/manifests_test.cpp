#include "kube/manifests.hpp"

#include "support/catch.hpp"

#include <set>

using namespace toygres;
using namespace toygres::kube;

namespace {

InstanceSpec example() {
    InstanceSpec spec{};
    spec.name = "mydb";
    spec.instance_id = "5e5a6a2c-0000-4000-8000-000000000000";
    spec.k8s_name = "mydb-1a2b3c4d";
    spec.ns = "toygres";
    spec.postgres_version = "17";
    spec.storage_gb = 20;
    spec.members = 1;
    spec.service_type = ServiceType::LoadBalancer;
    spec.agent_image = "toygres-agent:1";
    return spec;
}

std::vector<Json> objects(const InstanceSpec& spec) {
    const auto templates = Templates::embedded();
    REQUIRE(templates);
    auto out = instance_objects(*templates, spec, first_topology(spec));
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return *out;
}

Json find(const std::vector<Json>& all, const std::string& kind, const std::string& name) {
    for (const auto& object : all)
        if (object["kind"] == kind && object["metadata"]["name"] == name) return object;
    FAIL("no " << kind << " " << name);
    return {};
}

std::vector<Json> with_secrets(const InstanceSpec& spec) {
    const auto templates = Templates::embedded();
    auto all = *secret_objects(*templates, spec, make_secrets(spec));
    for (auto& object : objects(spec)) all.push_back(object);
    return all;
}

}  // namespace

TEST_CASE("manifests: the templates of this release fit") {
    const auto templates = Templates::embedded();
    REQUIRE(templates);
    const auto fits = validate(*templates);
    INFO((fits ? "" : fits.error().message));
    CHECK(fits);
}

TEST_CASE("manifests: everything carries the labels, nothing carries the role") {
    for (const auto& object : with_secrets(example())) {
        const auto& labels = object["metadata"]["labels"];
        INFO(object["kind"] << " " << object["metadata"]["name"]);
        for (const char* label : {"name", "instance", "version", "component", "managed-by", "part-of"})
            CHECK(labels.contains("app.kubernetes.io/" + std::string(label)));
        CHECK(labels["toygres.io/instance"] == "mydb-1a2b3c4d");
        CHECK_FALSE(labels.contains("toygres.io/role"));
        CHECK(object["metadata"]["namespace"] == "toygres");
    }
    const auto pod = find(objects(example()), "StatefulSet", "mydb-1a2b3c4d-1")["spec"]["template"];
    CHECK_FALSE(pod["metadata"]["labels"].contains("toygres.io/role"));
    CHECK(pod["metadata"]["labels"]["toygres.io/member"] == "mydb-1a2b3c4d-1");
}

TEST_CASE("manifests: services choose by role") {
    const auto all = objects(example());
    const auto rw = find(all, "Service", "mydb-1a2b3c4d");
    CHECK(rw["spec"]["type"] == "LoadBalancer");
    CHECK(rw["spec"]["selector"]["toygres.io/role"] == "primary");
    CHECK(find(all, "Service", "mydb-1a2b3c4d-ro")["spec"]["selector"]["toygres.io/role"] == "replica");
    CHECK(find(all, "Service", "mydb-1a2b3c4d-members")["spec"]["clusterIP"] == "None");
}

TEST_CASE("manifests: pods meet the restricted Pod Security Standard and carry no secret") {
    const auto spec = example();
    const auto secrets = make_secrets(spec, Secret("hunter2hunter2"));
    const auto set = find(objects(spec), "StatefulSet", "mydb-1a2b3c4d-1");
    const auto& pod = set["spec"]["template"]["spec"];
    CHECK(pod["securityContext"]["runAsNonRoot"] == true);
    CHECK(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault");
    CHECK(pod["automountServiceAccountToken"] == false);
    for (const char* list : {"initContainers", "containers"})
        for (const auto& container : pod[list]) {
            const auto& context = container["securityContext"];
            CHECK(context["allowPrivilegeEscalation"] == false);
            CHECK(context["readOnlyRootFilesystem"] == true);
            CHECK(context["capabilities"]["drop"] == Json({"ALL"}));
            for (const auto& variable : container.value("env", Json::array())) {
                CHECK_FALSE(variable.contains("secretKeyRef"));
                CHECK_FALSE(variable.value("valueFrom", Json::object()).contains("secretKeyRef"));
            }
        }
    for (const auto& object : objects(spec)) CHECK_FALSE(object.dump().contains("hunter2"));
    std::size_t mounted = 0;
    for (const auto& volume : pod["volumes"]) {
        if (!volume.contains("projected")) continue;
        CHECK(volume["projected"]["defaultMode"] == 0440);
        for (const auto& source : volume["projected"]["sources"])
            for (const auto& item : source.value("secret", Json::object()).value("items", Json::array())) {
                ++mounted;
                CHECK(item["key"] != "ca.key");
                CHECK(item["key"] != "client.key");
            }
    }
    CHECK(mounted == 6);
}

TEST_CASE("manifests: optional values are left out, given ones arrive") {
    auto spec = example();
    const auto plain = objects(spec);
    CHECK_FALSE(find(plain, "PersistentVolumeClaim", "mydb-1a2b3c4d-1-data")["spec"].contains("storageClassName"));
    CHECK(find(plain, "PersistentVolumeClaim", "mydb-1a2b3c4d-1-data")["spec"]["resources"]["requests"]["storage"] ==
          "20Gi");
    spec.storage_class = "fast";
    spec.postgres_image = "docker.io/library/postgres";
    spec.resources = Resources{"1", std::nullopt, "1Gi", "2Gi"};
    spec.image_pull_secrets = {"registry"};
    const auto full = objects(spec);
    CHECK(find(full, "PersistentVolumeClaim", "mydb-1a2b3c4d-1-data")["spec"]["storageClassName"] == "fast");
    const auto pod = find(full, "StatefulSet", "mydb-1a2b3c4d-1")["spec"]["template"]["spec"];
    CHECK(pod["containers"][0]["image"] == "docker.io/library/postgres:17");
    CHECK(pod["containers"][0]["resources"] ==
          Json({{"requests", {{"cpu", "1"}, {"memory", "1Gi"}}}, {"limits", {{"memory", "2Gi"}}}}));
    CHECK(pod["imagePullSecrets"] == Json({{{"name", "registry"}}}));
}

TEST_CASE("manifests: without a placement members prefer nodes of their own, and nothing else is asked for") {
    const auto all = objects(example());
    const auto pod = find(all, "StatefulSet", "mydb-1a2b3c4d-1")["spec"]["template"];
    const auto& apart = pod["spec"]["affinity"]["podAntiAffinity"];
    REQUIRE(apart.size() == 1);
    const auto& preferred = apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    CHECK(preferred["topologyKey"] == "kubernetes.io/hostname");
    CHECK(preferred["labelSelector"]["matchLabels"] == Json{{"toygres.io/instance", "mydb-1a2b3c4d"}});
    for (const auto* absent : {"topologySpreadConstraints", "priorityClassName"})
        CHECK_FALSE(pod["spec"].contains(absent));
    CHECK(pod["spec"]["containers"][0]["resources"] == Json{{"requests", {{"cpu", "100m"}, {"memory", "256Mi"}}}});
    for (const auto* service : {"mydb-1a2b3c4d", "mydb-1a2b3c4d-ro"}) {
        const auto object = find(all, "Service", service);
        CHECK_FALSE(object["spec"].contains("loadBalancerSourceRanges"));
        CHECK(object["metadata"]["annotations"].size() == 2);
    }
    CHECK(pod["metadata"]["annotations"].size() == 2);
}

TEST_CASE("manifests: a placement reaches the pods and the Services of every member") {
    auto spec = example();
    spec.members = 2;
    spec.placement = Placement{.spread = Spread::zone,
                               .spread_required = true,
                               .priority_class = "high",
                               .pod_annotations = {{{"a.example/b", "c"}, {"toygres.io/name", "other"}}},
                               .service_annotations = {{{"d.example/e", "f"}}},
                               .load_balancer_source_ranges = {{"203.0.113.0/24"}}};
    const auto all = objects(spec);
    for (const auto* member : {"mydb-1a2b3c4d-1", "mydb-1a2b3c4d-2"}) {
        const auto set = find(all, "StatefulSet", member);
        const auto& pod = set["spec"]["template"];
        CHECK(pod["spec"]["priorityClassName"] == "high");
        CHECK(pod["spec"]["topologySpreadConstraints"] ==
              Json::array({{{"maxSkew", 1},
                            {"topologyKey", "topology.kubernetes.io/zone"},
                            {"whenUnsatisfiable", "DoNotSchedule"},
                            {"labelSelector", {{"matchLabels", {{"toygres.io/instance", "mydb-1a2b3c4d"}}}}}}}));
        CHECK(pod["metadata"]["annotations"]["a.example/b"] == "c");
        CHECK(pod["metadata"]["annotations"]["toygres.io/name"] == "mydb");
        CHECK_FALSE(set["metadata"]["annotations"].contains("a.example/b"));
    }
    CHECK(find(all, "Service", "mydb-1a2b3c4d")["spec"]["loadBalancerSourceRanges"] == Json{"203.0.113.0/24"});
    CHECK_FALSE(find(all, "Service", "mydb-1a2b3c4d-ro")["spec"].contains("loadBalancerSourceRanges"));
    for (const auto* service : {"mydb-1a2b3c4d", "mydb-1a2b3c4d-ro"})
        CHECK(find(all, "Service", service)["metadata"]["annotations"]["d.example/e"] == "f");
    CHECK(find(all, "Service", "mydb-1a2b3c4d-members")["metadata"]["annotations"].size() == 2);

    spec.placement = Placement{.spread = Spread::hostname, .spread_required = true};
    const auto pod = find(objects(spec), "StatefulSet", "mydb-1a2b3c4d-1")["spec"]["template"]["spec"];
    CHECK_FALSE(pod.contains("topologySpreadConstraints"));
    const auto& apart = pod["affinity"]["podAntiAffinity"];
    CHECK(apart["requiredDuringSchedulingIgnoredDuringExecution"][0]["topologyKey"] == "kubernetes.io/hostname");
    CHECK(apart["preferredDuringSchedulingIgnoredDuringExecution"].size() == 1);
    spec.placement = Placement{.spread = Spread::zone};
    CHECK(find(objects(spec), "StatefulSet",
               "mydb-1a2b3c4d-1")["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"] ==
          "ScheduleAnyway");

    // Resources: one that is not chosen is the default; beside a limit the request is left to Kubernetes.
    spec.resources = Resources{.cpu_request = "2", .memory_limit = "4Gi"};
    CHECK(find(objects(spec), "StatefulSet",
               "mydb-1a2b3c4d-1")["spec"]["template"]["spec"]["containers"][0]["resources"] ==
          Json({{"requests", {{"cpu", "2"}}}, {"limits", {{"memory", "4Gi"}}}}));
}

TEST_CASE("manifests: three members are three sets with three disks; a fenced one has no pod") {
    auto spec = example();
    spec.members = 3;
    auto topology = first_topology(spec);
    topology.members["mydb-1a2b3c4d-3"].fenced = true;
    const auto all = *instance_objects(*Templates::embedded(), spec, topology);
    CHECK(find(all, "StatefulSet", "mydb-1a2b3c4d-2")["spec"]["replicas"] == 1);
    CHECK(find(all, "StatefulSet", "mydb-1a2b3c4d-3")["spec"]["replicas"] == 0);
    find(all, "PersistentVolumeClaim", "mydb-1a2b3c4d-3-data");
    CHECK(
        ha::parse_topology(find(all, "ConfigMap", "mydb-1a2b3c4d-topology")["data"]["topology.json"].get<std::string>())
            ->primary == "mydb-1a2b3c4d-1");
}

TEST_CASE("manifests: a deletion names every object that was made, the pod before its disk") {
    const auto spec = example();
    const auto order = deletion_order(spec.k8s_name, spec.ns, spec.members);
    std::set<std::string> deleted;
    for (const auto& ref : order) deleted.insert(ref.describe());
    for (const auto& object : with_secrets(spec)) CHECK(deleted.contains(ref_of(object)->describe()));
    const auto position = [&](const char* what) {
        return std::ranges::find_if(order, [&](const auto& ref) { return ref.kind == what; }) - order.begin();
    };
    CHECK(position("StatefulSet") < position("Pod"));
    CHECK(position("Pod") < position("PersistentVolumeClaim"));
    const auto kinds = swept_kinds();
    for (const auto& ref : order) CHECK(std::ranges::find(kinds, ref.kind) != kinds.end());
}

TEST_CASE("manifests: a spec survives its stored form") {
    const auto spec = example();
    CHECK(encode(decode<InstanceSpec>(encode(spec))) == encode(spec));
}

TEST_CASE("manifests: a role is set and removed by a merge patch") {
    CHECK(role_label_patch(ha::Role::primary).dump() == R"({"metadata":{"labels":{"toygres.io/role":"primary"}}})");
    CHECK(role_label_patch(ha::Role::none).dump() == R"({"metadata":{"labels":{"toygres.io/role":null}}})");
}

TEST_CASE("manifests: a pod counts as ready when its agent says that PostgreSQL serves in its role") {
    const auto pod = find(objects(example()), "StatefulSet", "mydb-1a2b3c4d-1")["spec"]["template"]["spec"];
    const auto& probes = pod["containers"][0];
    CHECK(probes["readinessProbe"]["httpGet"] == Json{{"path", "/readyz"}, {"port", 8443}, {"scheme", "HTTPS"}});
    CHECK(probes["livenessProbe"]["httpGet"] == Json{{"path", "/livez"}, {"port", 8443}, {"scheme", "HTTPS"}});
}

TEST_CASE("manifests: everybody may reach PostgreSQL, the agent only the control plane and the other members") {
    const auto spec = find(objects(example()), "NetworkPolicy", "mydb-1a2b3c4d")["spec"];
    CHECK(spec["policyTypes"] == Json{"Ingress", "Egress"});
    std::set<std::string> open;
    for (const auto& rule : spec["ingress"])
        for (const auto& port : rule["ports"])
            if (!rule.contains("from")) open.insert(port["port"].dump());
    CHECK(open == std::set<std::string>{"5432"});
    const auto& agent = spec["ingress"][1];
    CHECK(agent["ports"] == Json::array({{{"protocol", "TCP"}, {"port", 8443}}}));
    REQUIRE(agent["from"].size() == 2);
    CHECK(agent["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "control-plane");
    CHECK(agent["from"][1]["podSelector"]["matchLabels"] == Json{{"toygres.io/instance", "mydb-1a2b3c4d"}});
    for (const auto& rule : spec["egress"]) CHECK(rule.contains("ports"));
}

TEST_CASE("manifests: the longest name leaves room for what Kubernetes adds to it") {
    auto spec = example();
    spec.name = std::string(37, 'n');
    spec.k8s_name = spec.name + "-1a2b3c4d";
    spec.members = 5;
    constexpr std::size_t label_max = 63;
    constexpr std::size_t revision_hash = 11;  // "-" and 10 digits, which the controller adds in a pod's label
    for (const auto& object : with_secrets(spec)) {
        const auto name = object["metadata"]["name"].get<std::string>();
        INFO(object["kind"] << " " << name);
        CHECK(name.size() + (object["kind"] == "StatefulSet" ? revision_hash : 0) <= label_max);
        for (const auto& [key, value] : object["metadata"]["labels"].items())
            CHECK(value.get<std::string>().size() <= label_max);
    }
}
