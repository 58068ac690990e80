#include "localkube/managed_fields.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::localkube;

namespace {

const FieldManager alice{"alice", "apps/v1", ""};
const FieldManager bob{"bob", "apps/v1", ""};

Json config(int replicas, const std::string& image = "i:1") {
    return {
        {"apiVersion", "apps/v1"},
        {"kind", "StatefulSet"},
        {"metadata", {{"name", "s"}, {"labels", {{"app", "s"}}}}},
        {"spec",
         {{"replicas", replicas}, {"template", {{"spec", {{"containers", {{{"name", "main"}, {"image", image}}}}}}}}}}};
}

Object applied(const Object& live, const Json& what, const FieldManager& manager, bool force = false) {
    return value_or_raise(server_side_apply(live, what, manager, force));
}

const Json& entry_of(const Object& object, const std::string& manager) {
    for (const auto& entry : object["metadata"]["managedFields"])
        if (entry["manager"] == manager) return entry;
    FAIL("no entry of " << manager);
    return object;
}

}  // namespace

TEST_CASE("apply: fields are recorded as Kubernetes writes them") {
    const auto object = applied(nullptr, config(2), alice);
    CHECK(entry_of(object, "alice")["operation"] == "Apply");
    CHECK(entry_of(object, "alice")["fieldsV1"] == Json::parse(R"({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"main\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}})"));
}

TEST_CASE("apply: the same again changes nothing") {
    const auto first = applied(nullptr, config(2), alice);
    CHECK(applied(first, config(2), alice) == first);
}

TEST_CASE("apply: a field of another manager conflicts unless forced or equal") {
    const auto first = applied(nullptr, config(2), alice);
    const auto refused = server_side_apply(first, config(3), bob, false);
    REQUIRE(!refused);
    CHECK(refused.error().code == "Conflict");
    CHECK(refused.error().message ==
          "Apply failed with 1 conflict: conflict with \"alice\" using apps/v1: .spec.replicas");
    CHECK(refused.error().details["causes"][0]["field"] == ".spec.replicas");
    const auto image = server_side_apply(first, config(2, "i:2"), bob, false);
    REQUIRE(!image);
    CHECK(image.error().details["causes"][0]["field"] == ".spec.template.spec.containers[name=\"main\"].image");

    const auto shared = applied(first, config(2), bob);
    CHECK(entry_of(shared, "alice")["fieldsV1"] == entry_of(shared, "bob")["fieldsV1"]);
    const auto forced = applied(first, config(3), bob, true);
    CHECK(forced["spec"]["replicas"] == 3);
    CHECK(!entry_of(forced, "alice")["fieldsV1"]["f:spec"].contains("f:replicas"));
}

TEST_CASE("apply: what a manager stops applying goes, unless somebody else owns it") {
    auto more = config(2);
    more["metadata"]["labels"]["extra"] = "1";
    more["spec"]["template"]["spec"]["containers"].push_back({{"name", "side"}, {"image", "s:1"}});
    more["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] = {{"periodSeconds", 5}};
    auto live = applied(nullptr, more, alice);
    // Defaults that nobody owns go with the struct they are part of.
    live["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["timeoutSeconds"] = 1;
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always";
    const auto less = applied(live, config(2), alice);
    CHECK(!less["metadata"]["labels"].contains("extra"));
    REQUIRE(less["spec"]["template"]["spec"]["containers"].size() == 1);
    CHECK(!less["spec"]["template"]["spec"]["containers"][0].contains("livenessProbe"));

    auto both = applied(live,
                        {{"apiVersion", "apps/v1"},
                         {"kind", "StatefulSet"},
                         {"metadata", {{"name", "s"}, {"labels", {{"extra", "1"}}}}}},
                        bob);
    both = applied(both, config(2), alice);
    CHECK(both["metadata"]["labels"]["extra"] == "1");
}

TEST_CASE("apply: what nobody claimed stays") {
    auto live = applied(nullptr, config(2), alice);
    live["metadata"]["labels"]["role"] = "primary";
    live["metadata"]["annotations"]["seen"] = "yes";
    live["spec"]["clusterIP"] = "127.96.0.1";
    auto without_labels = config(2);
    without_labels["metadata"].erase("labels");
    const auto out = applied(live, without_labels, alice);
    CHECK(out["metadata"]["labels"] == Json{{"role", "primary"}});
    CHECK(out["metadata"]["annotations"]["seen"] == "yes");
    CHECK(out["spec"]["clusterIP"] == "127.96.0.1");
}

TEST_CASE("apply: ports are keyed with their default protocol") {
    auto first = config(1);
    first["spec"]["template"]["spec"]["containers"][0]["ports"] = {{{"containerPort", 80}}};
    auto live = applied(nullptr, first, alice);
    live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP";
    auto second = first;
    second["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "web";
    const auto out = applied(live, second, alice);
    CHECK(out["spec"]["template"]["spec"]["containers"][0]["ports"] ==
          Json{{{"containerPort", 80}, {"protocol", "TCP"}, {"name", "web"}}});
}

TEST_CASE("update: the writer takes over what it changes and nothing else") {
    const auto before = applied(nullptr, config(2), alice);
    auto after = before;
    after["spec"]["replicas"] = 5;
    after["metadata"]["annotations"] = {{"note", "x"}};
    track_update(before, after, bob);
    CHECK(entry_of(after, "bob")["operation"] == "Update");
    CHECK(entry_of(after, "bob")["fieldsV1"] ==
          Json::parse(R"({"f:metadata": {"f:annotations": {"f:note": {}}}, "f:spec": {"f:replicas": {}}})"));
    const auto refused = server_side_apply(after, config(2), alice, false);
    REQUIRE(!refused);
    CHECK(refused.error().details["causes"][0]["message"] == "conflict with \"bob\" using apps/v1");
}

TEST_CASE("update: nothing changed leaves no trace") {
    const auto before = applied(nullptr, config(2), alice);
    auto after = before;
    after["metadata"]["resourceVersion"] = "99";
    track_update(before, after, bob);
    CHECK(after["metadata"]["managedFields"] == before["metadata"]["managedFields"]);
}
