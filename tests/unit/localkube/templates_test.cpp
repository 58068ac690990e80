// The objects of an instance, as the control plane renders them, against the cluster's API.
#include "kube/manifests.hpp"
#include "unit/localkube/api_fixture.hpp"

using namespace toygres;
using namespace toygres::localkube::test;

TEST_CASE("api: every object of an instance is accepted, and a second apply changes nothing") {
    ApiFixture api;
    api.ok("create namespace toygres");
    const bool placed = GENERATE(false, true);
    kube::InstanceSpec spec{.name = "mydb",
                            .instance_id = "8f14e45f-ceea-467f-ab54-2c5f1e6d7a01",
                            .k8s_name = "mydb-1a2b3c4d",
                            .ns = "toygres",
                            .postgres_version = "15",
                            .storage_gb = 1,
                            .members = 1,
                            .service_type = kube::ServiceType::LoadBalancer,
                            .agent_image = "toygres-agent:0.1.0"};
    if (placed) {
        spec.resources = kube::Resources{"500m", "1", "1Gi", "2Gi"};
        spec.storage_class = "fast";
        spec.placement = kube::Placement{.spread = GENERATE(kube::Spread::hostname, kube::Spread::zone),
                                         .spread_required = true,
                                         .priority_class = "high",
                                         .pod_annotations = {{{"a.example/b", "c"}}},
                                         .service_annotations = {{{"d.example/e", "f"}}},
                                         .load_balancer_source_ranges = {{"203.0.113.0/24"}}};
    }
    const auto templates = value_or_raise(kube::Templates::embedded());
    auto objects = value_or_raise(kube::secret_objects(templates, spec, kube::make_secrets(spec)));
    for (auto& object : value_or_raise(kube::instance_objects(templates, spec, kube::first_topology(spec))))
        objects.push_back(std::move(object));
    REQUIRE(objects.size() > 10);
    std::vector<Json> made;
    for (const auto& object : objects) {
        const auto path = value_or_raise(kube::path_of(value_or_raise(kube::ref_of(object)))) + "?fieldManager=toygres";
        int status = 0;
        INFO(object["kind"] << " " << object["metadata"]["name"]);
        const auto first = api.call("PATCH", path, object, "application/apply-patch+yaml", &status);
        INFO(first);
        CHECK(status == 201);
        CHECK(api.call("PATCH", path, object, "application/apply-patch+yaml", &status) == first);
        CHECK(status == 200);
    }
    // What a deletion removes is what there is, but for the pods, which no controller makes here.
    for (const auto& ref : kube::deletion_order(spec.k8s_name, spec.ns, spec.members)) {
        int status = 0;
        api.call("DELETE", value_or_raise(kube::path_of(ref)), nullptr, "application/json", &status);
        INFO(ref.describe());
        CHECK(status == (ref.kind == "Pod" ? 404 : 200));
    }
}
