// The cluster's API by plain requests: what kubectl does not show.
#include "unit/localkube/api_fixture.hpp"

#include <sstream>

using namespace toygres;
using namespace toygres::localkube;
using namespace toygres::localkube::test;

namespace {

const std::string pods = "/api/v1/namespaces/default/pods";
const std::string config_maps = "/api/v1/namespaces/default/configmaps";

Json config_map(const std::string& name) { return {{"metadata", {{"name", name}}}, {"data", {{"a", "1"}}}}; }

// The events of a watch that ends by itself.
std::vector<Json> watch(ApiFixture& api, const std::string& path) {
    std::istringstream lines(api.ok("get --raw '" + path + "'"));
    std::vector<Json> out;
    for (std::string line; std::getline(lines, line);) out.push_back(Json::parse(line));
    return out;
}

std::vector<std::string> types_of(const std::vector<Json>& events) {
    std::vector<std::string> out;
    for (const auto& event : events)
        out.push_back(event["type"].get<std::string>() + " " + event["object"]["metadata"].value("name", ""));
    return out;
}

}  // namespace

TEST_CASE("api: objects are created, replaced and deleted with their preconditions") {
    ApiFixture api;
    int status = 0;
    auto made = api.call("POST", config_maps, config_map("c"), "application/json", &status);
    CHECK(status == 201);
    CHECK(made["kind"] == "ConfigMap");
    CHECK(made["metadata"]["managedFields"][0]["manager"] == "test");
    const auto again = api.call("POST", config_maps, config_map("c"), "application/json", &status);
    CHECK(status == 409);
    CHECK(again["reason"] == "AlreadyExists");
    CHECK(again["details"] == Json{{"kind", "configmaps"}, {"name", "c"}});

    auto changed = made;
    changed["data"]["a"] = "2";
    CHECK(api.call("PUT", config_maps + "/c", changed)["data"]["a"] == "2");
    const auto stale = api.call("PUT", config_maps + "/c", made, "application/json", &status);
    CHECK(status == 409);
    CHECK(stale["reason"] == "Conflict");

    const auto refused =
        api.call("DELETE", config_maps + "/c", {{"preconditions", {{"uid", "other"}}}}, "application/json", &status);
    CHECK(status == 409);
    CHECK(refused["reason"] == "Conflict");
    const auto gone = api.call("DELETE", config_maps + "/c", nullptr, "application/json", &status);
    CHECK(status == 200);
    CHECK(gone["status"] == "Success");
    CHECK(api.call("GET", config_maps + "/c")["reason"] == "NotFound");
}

TEST_CASE("api: generateName, dryRun and deletecollection") {
    ApiFixture api;
    const auto made = api.call("POST", config_maps, {{"metadata", {{"generateName", "c-"}}}});
    const auto name = made["metadata"]["name"].get<std::string>();
    CHECK(name.starts_with("c-"));
    CHECK(name.size() == 7);
    int status = 0;
    api.call("POST", config_maps + "?dryRun=All", config_map("ghost"), "application/json", &status);
    CHECK(status == 201);
    CHECK(api.call("GET", config_maps + "/ghost")["code"] == 404);
    const auto version = api.call("GET", config_maps)["metadata"]["resourceVersion"];
    api.call("PATCH", config_maps + "/" + name + "?dryRun=All", {{"data", {{"x", "y"}}}},
             "application/merge-patch+json");
    CHECK(api.call("GET", config_maps)["metadata"]["resourceVersion"] == version);
    CHECK(api.call("DELETE", config_maps)["items"].size() == 1);
    CHECK(api.call("GET", config_maps)["items"].empty());
}

TEST_CASE("api: items of a list leave their kind to the list") {
    ApiFixture api;
    api.call("POST", config_maps, config_map("c"));
    const auto list = api.call("GET", config_maps);
    CHECK(list["kind"] == "ConfigMapList");
    CHECK(!list["items"][0].contains("kind"));
}

TEST_CASE("api: wrong paths, methods, bodies and patches have their Status") {
    ApiFixture api;
    api.call("POST", config_maps, config_map("c"));
    const auto code = [&](const std::string& method, const std::string& path, const Json& body = nullptr,
                          const std::string& type = "application/json") {
        const auto answer = api.call(method, path, body, type);
        CHECK(answer["kind"] == "Status");
        return answer["code"].get<int>();
    };
    CHECK(code("GET", "/api/v1/namespaces/default/widgets") == 404);
    CHECK(code("GET", "/apis/none/v1/things") == 404);
    CHECK(code("GET", "/nonsense") == 404);
    CHECK(code("POST", config_maps + "/c/status", config_map("c")) == 404);
    CHECK(code("PUT", config_maps, config_map("c")) == 405);
    CHECK(code("POST", config_maps, "text") == 400);
    CHECK(code("POST", config_maps, {{"metadata", {{"name", 5}}}}) == 400);
    CHECK(code("POST", config_maps, {{"kind", "Secret"}, {"metadata", {{"name", "d"}}}}) == 400);
    CHECK(code("POST", config_maps, {{"metadata", {{"name", "d"}, {"namespace", "other"}}}}) == 400);
    CHECK(code("PATCH", config_maps + "/c", Json::object(), "text/plain") == 415);
    CHECK(code("PATCH", config_maps + "/c", Json::object(), "application/json-patch+json") == 422);
    CHECK(code("PATCH", config_maps + "/none", Json::object(), "application/merge-patch+json") == 404);
    CHECK(code("GET", config_maps + "?labelSelector=a%20in%20b") == 400);
    CHECK(code("POST", "/api/v1/namespaces/default/secrets", {{"metadata", {{"name", "s"}}}, {"data", {{"a", "!"}}}}) ==
          400);
}

TEST_CASE("api: the status is written through its subresource only") {
    ApiFixture api;
    api.ok("apply -f -", pod_yaml("p"));
    const Json running = {{"status", {{"phase", "Running"}}}};
    api.call("PATCH", pods + "/p", running, "application/merge-patch+json");
    CHECK(api.call("GET", pods + "/p")["status"]["phase"] == "Pending");
    auto patched = api.call("PATCH", pods + "/p/status", running, "application/merge-patch+json");
    CHECK(patched["status"]["phase"] == "Running");
    CHECK(patched["metadata"]["generation"] == 1);
    patched["spec"]["containers"][0]["image"] = "other:1";
    patched["status"]["podIP"] = "127.64.0.1";
    const auto put = api.call("PUT", pods + "/p/status", patched);
    CHECK(put["status"]["podIP"] == "127.64.0.1");
    CHECK(put["spec"]["containers"][0]["image"] == "busybox:1");
}

TEST_CASE("api: a watch resumes from a version, selects, and says what left the selection") {
    ApiFixture api;
    api.call("POST", config_maps, {{"metadata", {{"name", "a"}, {"labels", {{"x", "1"}}}}}});
    const auto version = api.call("GET", config_maps)["metadata"]["resourceVersion"].get<std::string>();
    api.call("POST", config_maps, {{"metadata", {{"name", "b"}, {"labels", {{"x", "1"}}}}}});
    api.call("POST", config_maps, config_map("unseen"));
    api.call("PATCH", config_maps + "/a", {{"metadata", {{"labels", {{"x", "2"}}}}}}, "application/merge-patch+json");
    api.call("PATCH", config_maps + "/b", {{"data", {{"k", "v"}}}}, "application/merge-patch+json");
    api.call("DELETE", config_maps + "/b");
    const auto path = config_maps + "?watch=1&timeoutSeconds=1&labelSelector=x%3D1&resourceVersion=";
    const auto events = watch(api, path + version);
    CHECK(types_of(events) == std::vector<std::string>{"ADDED b", "DELETED a", "MODIFIED b", "DELETED b"});
    CHECK(events[0]["object"]["kind"] == "ConfigMap");
    CHECK(events[1]["object"]["metadata"]["labels"]["x"] == "1");
    CHECK(types_of(watch(api, path)) == std::vector<std::string>{});
}

TEST_CASE("api: a watch without a version lists first, bookmarks at its end") {
    ApiFixture api;
    api.call("POST", config_maps, config_map("a"));
    const auto events = watch(api, config_maps + "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true");
    REQUIRE(types_of(events) == std::vector<std::string>{"ADDED a", "BOOKMARK "});
    CHECK(events[1]["object"]["metadata"]["resourceVersion"] ==
          api.call("GET", config_maps)["metadata"]["resourceVersion"]);
    const auto initial = watch(api, config_maps +
                                        "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true"
                                        "&resourceVersionMatch=NotOlderThan");
    REQUIRE(initial.size() >= 2);
    CHECK(initial[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true");
}

TEST_CASE("api: a watch from a forgotten version is told to list again") {
    ApiFixture api;
    const auto events = watch(api, config_maps + "?watch=1&timeoutSeconds=1&resourceVersion=99999");
    REQUIRE(events.size() == 1);
    CHECK(events[0]["type"] == "ERROR");
    CHECK(events[0]["object"]["code"] == 410);
    CHECK(events[0]["object"]["reason"] == "Expired");
}

TEST_CASE("api: defaults of a Service, a claim and a Secret") {
    ApiFixture api;
    const auto service = api.call("POST", "/api/v1/namespaces/default/services",
                                  {{"metadata", {{"name", "s"}}}, {"spec", {{"ports", {{{"port", 80}}}}}}});
    CHECK(service["spec"]["type"] == "ClusterIP");
    CHECK(service["spec"]["ports"][0] == Json{{"port", 80}, {"protocol", "TCP"}, {"targetPort", 80}});
    const auto claim =
        api.call("POST", "/api/v1/namespaces/default/persistentvolumeclaims",
                 {{"metadata", {{"name", "d"}}},
                  {"spec", {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}});
    CHECK(claim["spec"]["volumeMode"] == "Filesystem");
    CHECK(claim["status"]["phase"] == "Pending");
    const auto secret = api.call("POST", "/api/v1/namespaces/default/secrets",
                                 {{"metadata", {{"name", "s"}}}, {"stringData", {{"password", "hunter2"}}}});
    CHECK(secret["type"] == "Opaque");
    CHECK(secret["data"]["password"] == "aHVudGVyMg==");
    CHECK(!secret.contains("stringData"));
}

TEST_CASE("api: a disruption budget is one object in two versions") {
    ApiFixture api;
    const std::string base = "/namespaces/default/poddisruptionbudgets";
    const auto made = api.call("POST", "/apis/policy/v1beta1" + base,
                               {{"apiVersion", "policy/v1beta1"},
                                {"kind", "PodDisruptionBudget"},
                                {"metadata", {{"name", "p"}}},
                                {"spec", {{"minAvailable", 1}}}});
    CHECK(made["apiVersion"] == "policy/v1beta1");
    CHECK(api.call("GET", "/apis/policy/v1" + base + "/p")["apiVersion"] == "policy/v1");
}

TEST_CASE("api: an eviction that a disruption budget does not allow is refused, and changes nothing") {
    ApiFixture api;
    const auto make = [&](const std::string& name, const std::string& phase, const std::string& ready) {
        api.ok("apply -f -", pod_yaml(name));
        REQUIRE(api.on_server([&] {
            return api.store().mutate({"pods", "default", name}, [&](Object& pod) {
                pod["status"] = {{"phase", phase}, {"conditions", {{{"type", "Ready"}, {"status", ready}}}}};
            });
        }));
    };
    const auto budget = [&](int healthy, int desired) {
        REQUIRE(api.on_server([&] {
            return api.store().mutate({"poddisruptionbudgets", "default", "p"}, [&](Object& object) {
                object["status"] = {{"observedGeneration", object["metadata"].value("generation", 0)},
                                    {"currentHealthy", healthy},
                                    {"desiredHealthy", desired},
                                    {"disruptionsAllowed", std::max(0, healthy - desired)}};
            });
        }));
    };
    int status = 0;
    const auto evict = [&](const std::string& name, const std::string& query = "") {
        return api.call("POST", pods + "/" + name + "/eviction" + query,
                        {{"apiVersion", "policy/v1"}, {"kind", "Eviction"}, {"metadata", {{"name", name}}}},
                        "application/json", &status);
    };
    const auto is_there = [&](const std::string& name) { return api.call("GET", pods + "/" + name)["kind"] == "Pod"; };
    for (const auto* name : {"a", "b"}) make(name, "Running", "True");
    make("unready", "Running", "False");
    make("pending", "Pending", "False");
    api.ok("create poddisruptionbudget p --selector=app=x --min-available=1");

    budget(1, 1);
    auto refused = evict("a");
    CHECK(status == 429);
    CHECK(refused["reason"] == "TooManyRequests");
    CHECK(refused["message"] == "Cannot evict pod as it would violate the pod's disruption budget.");
    CHECK(refused["details"]["causes"][0]["reason"] == "DisruptionBudget");
    CHECK(refused["details"]["causes"][0]["message"] ==
          "The disruption budget p needs 1 healthy pods and has 1 currently");
    CHECK(is_there("a"));
    // What does not serve is not missed.
    evict("pending");
    CHECK(status == 201);
    evict("unready");
    CHECK(status == 201);

    // Its place is taken before the controller has counted anew.
    budget(2, 1);
    evict("a", "?dryRun=All");
    CHECK(status == 201);
    CHECK(is_there("a"));
    evict("a");
    CHECK(status == 201);
    evict("b");
    CHECK(status == 429);
    CHECK(is_there("b"));

    budget(2, 1);
    REQUIRE(api.on_server([&] {
        return api.store().mutate({"poddisruptionbudgets", "default", "p"},
                                  [](Object& object) { object["status"]["observedGeneration"] = -1; });
    }));
    refused = evict("b");
    CHECK(status == 429);
    CHECK(refused["details"]["retryAfterSeconds"] == 10);
    api.ok("create poddisruptionbudget q --selector=app=x --min-available=0");
    evict("b");
    CHECK(status == 500);
    api.ok("delete pdb p q");
    evict("b");
    CHECK(status == 201);
}

TEST_CASE("api: an apply creates, repeats without a trace, and removes what it no longer says") {
    ApiFixture api;
    Json config = {
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "c"}}}, {"data", {{"a", "1"}, {"b", "2"}}}};
    const auto path = config_maps + "/c?fieldManager=toygres&force=true";
    int status = 0;
    const auto made = api.call("PATCH", path, config, "application/apply-patch+yaml", &status);
    CHECK(status == 201);
    const auto again = api.call("PATCH", path, config, "application/apply-patch+yaml", &status);
    CHECK(status == 200);
    CHECK(again == made);
    config["data"].erase("b");
    CHECK(api.call("PATCH", path, config, "application/apply-patch+yaml")["data"] == Json{{"a", "1"}});
    CHECK(api.call("PATCH", config_maps + "/c", config, "application/apply-patch+yaml")["code"] == 422);
}

TEST_CASE("api: orphaned dependents stay without their owner") {
    ApiFixture api;
    const auto owner = api.call("POST", config_maps, config_map("owner"));
    api.call(
        "POST", config_maps,
        {{"metadata",
          {{"name", "dependent"},
           {"ownerReferences",
            {{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "owner"}, {"uid", owner["metadata"]["uid"]}}}}}}});
    api.call("DELETE", config_maps + "/owner?propagationPolicy=Orphan");
    CHECK(api.call("GET", config_maps + "/dependent")["metadata"].value("ownerReferences", Json::array()).empty());
}
