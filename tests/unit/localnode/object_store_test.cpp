#include "localkube/object_store.hpp"

#include "base/crypto.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::localkube;

namespace {

struct StoreFile {
    std::string path = (std::filesystem::temp_directory_path() / ("objects-" + random_hex(12) + ".db")).string();
    ~StoreFile() {
        for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    }
};

const ObjectKey key{"configmaps", "n", "a"};
const Object config = {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "a"}, {"namespace", "n"}}}};

Object pod_object() {
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", "p"}, {"namespace", "n"}, {"labels", {{"app", "db"}, {"tier", "one"}}}}},
            {"spec", {{"nodeName", "local"}}},
            {"status", {{"phase", "Running"}}}};
}
const ObjectKey pod_key{"pods", "n", "p"};

std::string version_of(const ObjectPtr& object) {
    return object->at("metadata").at("resourceVersion").get<std::string>();
}

}  // namespace

TEST_CASE("object store: what was written is there after reopening, versions go on") {
    const StoreFile file;
    std::uint64_t version = 0;
    {
        ObjectStore store(file.path);
        REQUIRE(store.create(key, config));
        REQUIRE(store.create({"configmaps", "n", "b"}, config));
        REQUIRE(store.remove({"configmaps", "n", "b"}, 0));
        version = store.resource_version();
    }
    ObjectStore store(file.path);
    CHECK(store.resource_version() == version);
    CHECK(store.list("configmaps").size() == 1);
    CHECK(store.get(key)->at("metadata").at("uid").get<std::string>().size() == 36);
    CHECK(store.since(version - 1) == std::nullopt);
    CHECK(store.since(version)->empty());
}

TEST_CASE("object store: a stale resourceVersion is refused, none is not") {
    const StoreFile file;
    ObjectStore store(file.path);
    const auto first = store.create(key, config).value();
    CHECK(store.create(key, config).error().code == "already_exists");
    auto changed = *first;
    changed["data"]["x"] = "1";
    const auto second = store.update(key, changed).value();
    CHECK(version_of(second) != version_of(first));
    changed["data"]["x"] = "2";
    CHECK(store.update(key, changed).error().code == "stale_object");
    changed["metadata"].erase("resourceVersion");
    CHECK(store.update(key, changed).value()->at("data").at("x") == "2");
    CHECK(store.update({"configmaps", "n", "no"}, changed).error().code == "object_not_found");
}

TEST_CASE("object store: a change that changes nothing writes nothing; generation follows spec only") {
    const StoreFile file;
    ObjectStore store(file.path);
    REQUIRE(store.create(pod_key, pod_object()));
    const auto version = store.resource_version();
    REQUIRE(store.mutate(pod_key, [](Object&) {}));
    CHECK(store.resource_version() == version);
    CHECK(store.mutate(pod_key, [](Object& o) { o["status"]["phase"] = "Failed"; })
              .value()
              ->at("metadata")["generation"] == 1);
    CHECK(store.mutate(pod_key, [](Object& o) { o["spec"]["x"] = 1; }).value()->at("metadata")["generation"] == 2);
}

TEST_CASE("object store: grace and finalizers hold a deleted object") {
    const StoreFile file;
    ObjectStore store(file.path);
    REQUIRE(store.create(pod_key, pod_object()));
    CHECK(store.remove(pod_key, 30).value()->at("metadata").at("deletionGracePeriodSeconds") == 30);
    REQUIRE(store.mutate(pod_key, [](Object& o) { o["status"]["phase"] = "Failed"; }));
    CHECK(store.get(pod_key));
    CHECK(store.remove(pod_key, 60).value()->at("metadata").at("deletionGracePeriodSeconds") == 30);
    store.purge(pod_key);
    CHECK(!store.get(pod_key));

    auto held = config;
    held["metadata"]["finalizers"] = {"a/b"};
    REQUIRE(store.create(key, held));
    REQUIRE(store.remove(key, 0));
    REQUIRE(store.get(key));
    REQUIRE(store.mutate(key, [](Object& o) { o["metadata"].erase("finalizers"); }));
    CHECK(!store.get(key));
}

TEST_CASE("object store: subscribers see every change in order, those made by subscribers too") {
    const StoreFile file;
    ObjectStore store(file.path);
    std::vector<std::pair<EventType, std::uint64_t>> seen;
    const auto reacting = store.subscribe([&](const WatchEvent& e) {
        if (e.type == EventType::added) (void)store.mutate(e.key, [](Object& o) { o["data"]["y"] = "1"; });
    });
    auto watching = store.subscribe([&](const WatchEvent& e) { seen.emplace_back(e.type, e.resource_version); });
    const auto start = store.resource_version();
    REQUIRE(store.create(key, config));
    REQUIRE(store.remove(key, 0));
    CHECK(seen == std::vector<std::pair<EventType, std::uint64_t>>{{EventType::added, start + 1},
                                                                   {EventType::modified, start + 2},
                                                                   {EventType::deleted, start + 3}});
    CHECK(store.since(start)->size() == 3);
    watching.reset();
    REQUIRE(store.create(key, config));
    CHECK(seen.size() == 3);
}

TEST_CASE("object store: only the newest changes are remembered") {
    const StoreFile file;
    ObjectStore store(file.path);
    REQUIRE(store.create(key, config));
    const auto start = store.resource_version();
    for (int i = 0; i < 5000; ++i) REQUIRE(store.mutate(key, [&](Object& o) { o["data"]["i"] = std::to_string(i); }));
    CHECK(store.since(start) == std::nullopt);
    CHECK(store.since(store.resource_version() - 4096)->size() == 4096);
}

TEST_CASE("selectors: labels") {
    const auto matches = [](std::string_view text) { return label_selector(text).value()(pod_object()); };
    CHECK(matches(""));
    CHECK(matches("app=db,tier in (one, two)"));
    CHECK(matches("app==db,!other,tier"));
    CHECK(matches("tier notin (three),other!=x"));
    CHECK(!matches("app!=db"));
    CHECK(!matches("app=db,tier in (two)"));
    CHECK(!matches("!app"));
    CHECK(label_selector("a in b").error().code == "invalid_selector");
    CHECK(label_selector("a=(b").error().code == "invalid_selector");
}

TEST_CASE("selectors: fields and workload selectors") {
    const auto matches = [](std::string_view text) { return field_selector(text).value()(pod_object()); };
    CHECK(matches("metadata.name=p,status.phase==Running,spec.nodeName!=other"));
    CHECK(!matches("status.phase!=Running"));
    CHECK(matches("spec.absent="));
    CHECK(!field_selector("status.phase"));
    const Object labels = pod_object()["metadata"]["labels"];
    CHECK(matches_selector({{"matchLabels", {{"app", "db"}}}}, labels));
    CHECK(!matches_selector({{"matchLabels", {{"app", "web"}}}}, labels));
    const Object expression = {{"key", "tier"}, {"operator", "NotIn"}, {"values", {"one"}}};
    CHECK(!matches_selector({{"matchExpressions", Json::array({expression})}}, labels));
}
