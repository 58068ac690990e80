#include "localkube/patch.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::localkube;

namespace {

const Json pod = Json::parse(R"({
    "metadata": {"name": "p", "labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
    "spec": {
        "containers": [
            {"name": "one", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["a", "b"]},
            {"name": "two", "image": "i:1", "env": [{"name": "A", "value": "1"}]}],
        "tolerations": [{"key": "k"}]}})");

std::string problem_of(Object (*patch)(const Object&, const Json&), const Json& with) {
    try {
        patch(pod, with);
    } catch (const ErrorException& e) {
        return e.error().code;
    }
    return "patched";
}

}  // namespace

TEST_CASE("strategic merge: maps merge, null removes, keyed lists merge item by item, others are replaced") {
    const auto out = strategic_merge_patch(pod, Json::parse(R"({
        "metadata": {"labels": {"a": null, "c": "3"}, "finalizers": ["y"]},
        "spec": {
            "containers": [{"name": "two", "image": "i:2", "env": [{"name": "B", "value": "2"}]},
                           {"name": "three", "image": "i:3"}],
            "tolerations": [{"key": "other"}]}})"));
    CHECK(out["metadata"]["labels"] == Json{{"b", "2"}, {"c", "3"}});
    CHECK(out["metadata"]["finalizers"] == Json{"x", "y"});
    const auto& containers = out["spec"]["containers"];
    REQUIRE(containers.size() == 3);
    CHECK(containers[0] == pod["spec"]["containers"][0]);
    CHECK(containers[1]["image"] == "i:2");
    CHECK(containers[1]["env"].size() == 2);
    CHECK(containers[2]["name"] == "three");
    CHECK(out["spec"]["tolerations"] == Json{{{"key", "other"}}});
}

TEST_CASE("strategic merge: directives delete, replace, retain and order") {
    const auto deleted =
        strategic_merge_patch(pod, Json::parse(R"({"spec": {"containers": [{"name": "one", "$patch": "delete"}]}})"));
    REQUIRE(deleted["spec"]["containers"].size() == 1);
    CHECK(deleted["spec"]["containers"][0]["name"] == "two");
    const auto replaced = strategic_merge_patch(
        pod, Json::parse(R"({"spec": {"containers": [{"$patch": "replace"}, {"name": "only"}]}})"));
    CHECK(replaced["spec"]["containers"] == Json{{{"name", "only"}}});
    const auto labels =
        strategic_merge_patch(pod, Json::parse(R"({"metadata": {"labels": {"$patch": "replace", "z": "9"}}})"));
    CHECK(labels["metadata"]["labels"] == Json{{"z", "9"}});
    const auto retained =
        strategic_merge_patch(pod, Json::parse(R"({"metadata": {"labels": {"$retainKeys": ["b"]}}})"));
    CHECK(retained["metadata"]["labels"] == Json{{"b", "2"}});
    const auto ordered = strategic_merge_patch(
        pod, Json::parse(R"({"spec": {"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]}})"));
    CHECK(ordered["spec"]["containers"][0]["name"] == "two");
    CHECK(!ordered["spec"].contains("$setElementOrder/containers"));
    const auto primitives =
        strategic_merge_patch(pod, Json::parse(R"({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})"));
    CHECK(primitives["metadata"]["finalizers"].empty());
}

TEST_CASE("strategic merge: an item without its key is refused") {
    CHECK(problem_of(strategic_merge_patch, Json::parse(R"({"spec": {"containers": [{"image": "x"}]}})")) ==
          "invalid_patch");
}

TEST_CASE("json patch: operations apply, and a failed test is an error") {
    const auto out = json_patch(pod, Json::parse(R"([{"op": "replace", "path": "/metadata/labels/a", "value": "9"}])"));
    CHECK(out["metadata"]["labels"]["a"] == "9");
    CHECK(problem_of(json_patch, Json::parse(R"([{"op": "test", "path": "/metadata/name", "value": "q"}])")) ==
          "invalid_patch");
    CHECK(problem_of(json_patch, Json::parse(R"([{"op": "remove", "path": "/nope/x"}])")) == "invalid_patch");
    CHECK(problem_of(json_patch, Json::object()) == "invalid_patch");
}

TEST_CASE("merge patch: lists are replaced") {
    const auto out = merge_patch(pod, Json::parse(R"({"spec": {"containers": [{"name": "x"}]}})"));
    CHECK(out["spec"]["containers"].size() == 1);
}
