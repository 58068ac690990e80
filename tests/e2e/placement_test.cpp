// What is chosen of where an instance's members run and of what their objects carry, from the command line to the pods.
#include "scenario.hpp"
#include "support/kubectl.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

Json read(const Stack& stack, const std::string& what) {
    const auto ran = shell(fmt::format("KUBECONFIG={}/cluster/kubeconfig {} -n toygres get {} -o json", stack.directory,
                                       kubectl_program(), what));
    INFO(ran.output);
    REQUIRE(ran.code == 0);
    return Json::parse(ran.output);
}

void check_member(const Stack& stack, const std::string& member) {
    INFO(member);
    const auto pod = read(stack, "pod " + member + "-0");
    const auto& spec = pod.at("spec");
    CHECK(spec.at("priorityClassName") == "databases");
    CHECK(spec.at("topologySpreadConstraints")[0].at("topologyKey") == "topology.kubernetes.io/zone");
    CHECK(spec.at("topologySpreadConstraints")[0].at("whenUnsatisfiable") == "ScheduleAnyway");
    CHECK(spec.at("affinity").at("podAntiAffinity").size() == 1);
    CHECK(spec.at("containers")[0].at("resources") ==
          Json{{"requests", {{"cpu", "50m"}, {"memory", "128Mi"}}}, {"limits", {{"cpu", "4"}, {"memory", "4Gi"}}}});
    CHECK(pod.at("metadata").at("annotations").at("team.example/owner") == "web");
    const auto claim = read(stack, "pvc " + member + "-data").at("spec");
    CHECK(claim.at("storageClassName") == "fast");
    CHECK(claim.at("resources").at("requests").at("storage") == "2Gi");
}

}  // namespace

TEST_CASE("an instance is placed as it was asked for, and so is a standby that is added later", "[placement]") {
    auto& stack = shared_stack();
    const auto made = stack.cli(
        "create placed --wait --storage 2 --spread zone --priority-class databases --cpu 50m --cpu-limit 4 --memory "
        "128Mi --memory-limit 4Gi --storage-class fast --pod-annotation team.example/owner=web --service-annotation "
        "lb.example/kind=fast --source-range 127.0.0.0/8");
    INFO(made.output);
    REQUIRE(made.code == 0);
    const Replicated db(stack, "placed", Replicated::Running());
    for (const auto* member : {"-1", "-2"}) check_member(stack, db.k8s_name() + member);
    const auto service = read(stack, "service " + db.k8s_name());
    CHECK(service.at("spec").at("loadBalancerSourceRanges") == Json{"127.0.0.0/8"});
    CHECK(service.at("metadata").at("annotations").at("lb.example/kind") == "fast");
    CHECK(read(stack, "service " + db.k8s_name() + "-ro").at("metadata").at("annotations").at("lb.example/kind") ==
          "fast");

    const auto shown = stack.cli("get placed");
    for (const auto* part : {"zone (preferred)", "databases", "50m, at most 4", "fast", "127.0.0.0/8"})
        CHECK(shown.output.contains(part));
    CHECK(Json::parse(stack.call("GET", "/api/v1/instances/placed").body).at("placement").at("spread") == "zone");

    const auto added = stack.cli("replication add placed --wait");
    INFO(added.output);
    REQUIRE(added.code == 0);
    check_member(stack, db.k8s_name() + "-3");

    const auto refused = stack.cli("create wrong --pod-annotation toygres.io/name=x --cpu much");
    CHECK(refused.code != 0);
    CHECK(refused.output.contains("placement.resources.cpu_request must be a quantity"));
    CHECK(refused.output.contains("toygres.io is the control plane's own"));
    remove(db);
}
