#include "fake_api.hpp"

using namespace toygres;
using namespace toygres::kube;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

const Json config_map{{"apiVersion", "v1"},
                      {"kind", "ConfigMap"},
                      {"metadata", {{"name", "c"}, {"namespace", "ns"}, {"resourceVersion", "5"}}}};

const Json budget{
    {"apiVersion", "policy/v1"}, {"kind", "PodDisruptionBudget"}, {"metadata", {{"name", "b"}, {"namespace", "ns"}}}};

Json moved(Json object, const std::string& version) {
    object["metadata"]["resourceVersion"] = version;
    return object;
}

}  // namespace

TEST_CASE("kube client: get asks the right path with the token") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, config_map);
    const auto got = api.run(client.get(resource("ConfigMap", "ns", "c")));
    REQUIRE(got);
    CHECK(*got == config_map);
    CHECK(api.requests[0].method == "GET");
    CHECK(api.requests[0].target == "/api/v1/namespaces/ns/configmaps/c");
    CHECK(api.requests[0].headers.get("Authorization") == "Bearer the-token");
}

TEST_CASE("kube client: refusals are typed and name the object") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    struct Case {
        int status;
        const char* reason;
        ErrorKind kind;
        const char* code;
    };
    for (const auto& [status, reason, kind, code] : std::vector<Case>{
             {404, "NotFound", ErrorKind::not_found, "kube_not_found"},
             {409, "AlreadyExists", ErrorKind::conflict, "kube_already_exists"},
             {409, "Conflict", ErrorKind::conflict, "kube_conflict"},
             {403, "Forbidden", ErrorKind::forbidden, "kube_forbidden"},
             {401, "Unauthorized", ErrorKind::forbidden, "kube_unauthorized"},
             {422, "Invalid", ErrorKind::invalid, "kube_invalid"},
             {400, "BadRequest", ErrorKind::invalid, "kube_invalid"},
             {500, "InternalError", ErrorKind::transient, "kube_unavailable"},
             {410, "Expired", ErrorKind::transient, "kube_expired"},
         }) {
        api.answer(status, FakeApi::status(status, reason, "because"));
        const auto made = api.run(client.create(config_map));
        REQUIRE_FALSE(made);
        CHECK(made.error().kind == kind);
        CHECK(made.error().code == code);
        CHECK(made.error().message == fmt::format("create ConfigMap ns/c: {}: because", reason));
    }
}

TEST_CASE("kube client: what is invalid is told field by field") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(422,
               FakeApi::status(
                   422, "Invalid", "bad",
                   {{"causes", {{{"field", "spec.x"}, {"message", "must be 1"}, {"reason", "FieldValueInvalid"}}}}}));
    const auto made = api.run(client.create(config_map));
    CHECK(made.error().details["causes"][0]["field"] == "spec.x");
    CHECK(made.error().details["causes"][0]["message"] == "must be 1");
}

TEST_CASE("kube client: apply tells whether something changed") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(404, FakeApi::status(404, "NotFound", "x"));
    api.answer(201, config_map);
    const auto created = api.run(client.apply(config_map));
    REQUIRE(created);
    CHECK(created->created);
    CHECK(created->changed);
    CHECK(api.requests[1].method == "PATCH");
    CHECK(api.requests[1].target == "/api/v1/namespaces/ns/configmaps/c?fieldManager=toygres&force=true");
    CHECK(api.requests[1].headers.get("Content-Type") == "application/apply-patch+yaml");

    api.answer(200, config_map);
    api.answer(200, config_map);
    CHECK_FALSE(api.run(client.apply(config_map))->changed);
    api.answer(200, config_map);
    api.answer(200, moved(config_map, "6"));
    const auto changed = api.run(client.apply(config_map));
    CHECK(changed->changed);
    CHECK_FALSE(changed->created);
}

TEST_CASE("kube client: throttling is waited out as the server asks, a bounded number of times") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access(), {.retries_max = 2, .retry_delay_max = 1'000ms});
    api.answer(429, FakeApi::status(429, "TooManyRequests", "slow down"), {{"Retry-After", "1"}});
    api.answer(503, FakeApi::status(503, "ServiceUnavailable", "soon"));
    api.answer(200, config_map);
    CHECK(api.run(client.get(resource("ConfigMap", "ns", "c"))));
    CHECK(api.times[1] - api.times[0] >= 1'000ms);

    for (int i = 0; i < 3; ++i) api.answer(429, FakeApi::status(429, "TooManyRequests", "slow down"));
    const auto refused = api.run(client.get(resource("ConfigMap", "ns", "c")));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "kube_throttled");
    CHECK(refused.error().retryable());
    CHECK(api.requests.size() == 6);
}

TEST_CASE("kube client: an apply between whose reading and writing another came is made again, so many times") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    const auto conflict = FakeApi::status(409, "Conflict", "the object has been modified");
    api.answer(200, config_map);
    api.answer(409, conflict);
    api.answer(409, conflict);
    api.answer(200, moved(config_map, "7"));
    CHECK(api.run(client.apply(config_map))->changed);
    CHECK(api.requests.size() == 4);
    CHECK(api.requests[3].body == api.requests[1].body);
    // Fields that others own are not in the way of one who did not mean to take them.
    api.answer(200, config_map);
    api.answer(409, conflict);
    CHECK(api.run(client.apply(config_map, false)).error().code == "kube_conflict");
    CHECK(api.requests.size() == 6);
}

TEST_CASE("kube client: a list whose pages have expired is begun anew") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    auto first = FakeApi::list(7, {FakeApi::pod("a", 1)});
    first["metadata"]["continue"] = "n";
    api.answer(200, first);
    api.answer(410, FakeApi::status(410, "Expired", "The provided continue parameter is too old"));
    api.answer(200, FakeApi::list(9, {FakeApi::pod("a", 1), FakeApi::pod("b", 8)}));
    const auto listing = api.run(client.list(resource("Pod", "ns", "")));
    REQUIRE(listing);
    CHECK(listing->items.size() == 2);
    CHECK(listing->resource_version == "9");
    CHECK_FALSE(api.requests[2].target.contains("continue"));
}

TEST_CASE("kube client: a server that is not there is transient") {
    FakeApi api;
    auto access = api.access();
    access.server = "http://127.0.0.1:1";
    Client client(api.io.get_executor(), access, {.retries_max = 1});
    const auto got = api.run(client.version());
    REQUIRE_FALSE(got);
    CHECK(got.error().kind == ErrorKind::transient);
    CHECK(got.error().code == "kube_unreachable");
    CHECK(got.error().message.starts_with("reach http://127.0.0.1:1: "));
}

TEST_CASE("kube client: a version that an old server lacks is found by discovery, once") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(404, FakeApi::status(404, "NotFound", "no such group"));
    api.answer(200, {{"kind", "APIResourceList"},
                     {"resources", {{{"name", "poddisruptionbudgets"}, {"kind", "PodDisruptionBudget"}}}}});
    api.answer(201, budget);
    REQUIRE(api.run(client.create(budget)));
    CHECK(api.requests[0].target == "/apis/policy/v1");
    CHECK(api.requests[1].target == "/apis/policy/v1beta1");
    CHECK(api.requests[2].target == "/apis/policy/v1beta1/namespaces/ns/poddisruptionbudgets?fieldManager=toygres");
    CHECK(Json::parse(api.requests[2].body)["apiVersion"] == "policy/v1beta1");
    api.answer(200, budget);
    REQUIRE(api.run(client.get(resource("PodDisruptionBudget", "ns", "b"))));
    CHECK(api.requests[3].target == "/apis/policy/v1beta1/namespaces/ns/poddisruptionbudgets/b");
}

TEST_CASE("kube client: a list goes through all its pages") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    auto first = FakeApi::list(7, {FakeApi::pod("a", 1)});
    first["metadata"]["continue"] = "n/x=";
    first["items"][0].erase("kind");
    api.answer(200, first);
    api.answer(200, FakeApi::list(7, {FakeApi::pod("b", 2)}));
    const auto listing = api.run(client.list(resource("Pod", "ns", ""), {.labels = "a=b,c"}));
    REQUIRE(listing);
    CHECK(listing->items.size() == 2);
    CHECK(listing->items[0]["kind"] == "Pod");
    CHECK(listing->resource_version == "7");
    CHECK(api.requests[0].target == "/api/v1/namespaces/ns/pods?labelSelector=a%3Db%2Cc&limit=500");
    CHECK(api.requests[1].target.ends_with("&continue=n%2Fx%3D"));
}

TEST_CASE("kube client: deleting what is gone is no error, and preconditions are sent") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(404, FakeApi::status(404, "NotFound", "x"));
    CHECK_FALSE(*api.run(client.remove(resource("Pod", "ns", "p"))));
    api.answer(200, FakeApi::status(200, "", ""));
    CHECK(*api.run(client.remove(resource("Pod", "ns", "p"),
                                 {.grace_seconds = 3, .propagation = Propagation::foreground, .uid = "u"})));
    const auto body = Json::parse(api.requests[1].body);
    CHECK(body["gracePeriodSeconds"] == 3);
    CHECK(body["propagationPolicy"] == "Foreground");
    CHECK(body["preconditions"]["uid"] == "u");
}

TEST_CASE("kube client: patches say what they are") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, config_map);
    api.answer(200, config_map);
    REQUIRE(api.run(
        client.patch(resource("StatefulSet", "ns", "s"), PatchType::merge, {{"spec", {{"replicas", 0}}}}, "scale")));
    REQUIRE(api.run(client.patch(resource("Pod", "ns", "p"), PatchType::json, Json::array())));
    CHECK(api.requests[0].target == "/apis/apps/v1/namespaces/ns/statefulsets/s/scale?fieldManager=toygres");
    CHECK(api.requests[0].headers.get("Content-Type") == "application/merge-patch+json");
    CHECK(api.requests[1].headers.get("Content-Type") == "application/json-patch+json");
}

TEST_CASE("kube client: a refused token from a file is read anew and the call repeated") {
    FakeApi api;
    std::string path = "/tmp/toygres-token-XXXXXX";
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    REQUIRE(::write(fd, "one", 3) == 3);
    auto access = api.access();
    access.token = {};
    access.token_file = path;
    Client client(api.io.get_executor(), access);
    api.answer(200, config_map);
    REQUIRE(api.run(client.get(resource("ConfigMap", "ns", "c"))));
    REQUIRE(::pwrite(fd, "two", 3, 0) == 3);
    api.answer(401, FakeApi::status(401, "Unauthorized", "x"));
    api.answer(200, config_map);
    REQUIRE(api.run(client.get(resource("ConfigMap", "ns", "c"))));
    CHECK(api.requests[1].headers.get("Authorization") == "Bearer one");
    CHECK(api.requests[2].headers.get("Authorization") == "Bearer two");
    ::close(fd);
    ::unlink(path.c_str());
}

TEST_CASE("kube client: logs arrive in pieces until the caller has enough") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.stream({Json("line")});
    std::string log;
    REQUIRE(api.run(client.logs("ns", "p", {.container = "postgres", .tail_lines = 5}, 5s, [&](std::string_view piece) {
        log += piece;
        return true;
    })));
    CHECK(log == "\"line\"\n");
    CHECK(api.requests[0].target == "/api/v1/namespaces/ns/pods/p/log?container=postgres&tailLines=5");
    api.answer(404, FakeApi::status(404, "NotFound", "no pod"));
    CHECK(api.run(client.logs("ns", "p", {}, 5s, [](std::string_view) { return true; })).error().code ==
          "kube_not_found");
}
