#include "kube/watch.hpp"

#include "fake_api.hpp"
#include "kube/watch_event.hpp"

using namespace toygres;
using namespace toygres::kube;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

const auto pods = [] { return resource("Pod", "ns", ""); };
const auto pod_p = [] { return resource("Pod", "ns", "p"); };

struct Told {
    std::vector<std::string> changes;
    std::size_t enough;
    bool operator()(Change change, const Json& object) {
        constexpr const char* names[] = {"added", "modified", "deleted"};
        changes.push_back(
            fmt::format("{} {}", names[static_cast<int>(change)], object["metadata"]["name"].get<std::string>()));
        return changes.size() < enough;
    }
};

Result<void> watch_pods(FakeApi& api, Client& client, Told& told, std::chrono::milliseconds time = 20s) {
    return api.run(watch(client, pods(), {.labels = "x=y"}, std::chrono::steady_clock::now() + time, std::ref(told)));
}

}  // namespace

TEST_CASE("kube watch: tells the list and then the changes, from where it stood") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, FakeApi::list(10, {FakeApi::pod("a", 3)}));
    api.stream({FakeApi::event("ADDED", FakeApi::pod("b", 11)), FakeApi::event("MODIFIED", FakeApi::pod("a", 12)),
                FakeApi::event("BOOKMARK", FakeApi::pod("", 15)), FakeApi::event("DELETED", FakeApi::pod("b", 16))});
    api.stream({FakeApi::event("ADDED", FakeApi::pod("c", 17))}, true);
    Told told{{}, 5};
    REQUIRE(watch_pods(api, client, told));
    CHECK(told.changes == std::vector<std::string>{"added a", "added b", "modified a", "deleted b", "added c"});
    CHECK(api.requests[1].target.contains("resourceVersion=10&"));
    CHECK(api.requests[1].target.contains("allowWatchBookmarks=true"));
    CHECK(api.requests[1].target.contains("labelSelector=x%3Dy"));
    CHECK(api.requests[2].target.contains("resourceVersion=16&"));
}

TEST_CASE("kube watch: after 410 it lists again and tells the difference") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, FakeApi::list(10, {FakeApi::pod("a", 3), FakeApi::pod("b", 4), FakeApi::pod("c", 5)}));
    api.stream({FakeApi::event("ERROR", FakeApi::status(410, "Expired", "too old"))});
    api.answer(200, FakeApi::list(50, {FakeApi::pod("a", 3), FakeApi::pod("b", 40), FakeApi::pod("d", 41)}));
    Told told{{}, 6};
    REQUIRE(watch_pods(api, client, told));
    CHECK(told.changes ==
          std::vector<std::string>{"added a", "added b", "added c", "modified b", "added d", "deleted c"});
}

TEST_CASE("kube watch: goes on after trouble that passes, and ends with what does not") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access(), {.retries_max = 0});
    api.answer(503, FakeApi::status(503, "ServiceUnavailable", "x"));
    api.answer(200, FakeApi::list(10, {}));
    api.answer(500, FakeApi::status(500, "InternalError", "x"));
    api.stream({FakeApi::event("ADDED", FakeApi::pod("a", 11))}, true);
    Told told{{}, 1};
    REQUIRE(watch_pods(api, client, told));
    CHECK(told.changes == std::vector<std::string>{"added a"});

    api.answer(403, FakeApi::status(403, "Forbidden", "not you"));
    Told none{{}, 1};
    CHECK(watch_pods(api, client, none).error().code == "kube_forbidden");
}

TEST_CASE("kube watch: ends at its deadline though the stream is silent") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, FakeApi::list(10, {}));
    api.stream({}, true);
    Told told{{}, 1};
    const auto done = watch_pods(api, client, told, 100ms);
    REQUIRE_FALSE(done);
    CHECK(done.error().kind == ErrorKind::timeout);
    CHECK(done.error().code == "kube_wait_timed_out");
}

TEST_CASE("kube wait_until: ends with the change that is awaited") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, FakeApi::list(10, {FakeApi::pod("p", 3)}));
    api.stream(
        {FakeApi::event("MODIFIED", FakeApi::pod("p", 11)), FakeApi::event("MODIFIED", FakeApi::pod("p", 12, "True"))},
        true);
    const auto pod = api.run(wait_until(client, pod_p(), pod_ready, 20s));
    REQUIRE(pod);
    CHECK((*pod)["metadata"]["resourceVersion"] == "12");
    CHECK(api.requests[0].target.contains("fieldSelector=metadata.name%3Dp"));
}

TEST_CASE("kube wait_until: hopeless trouble ends the wait at once") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    auto broken = FakeApi::pod("p", 3);
    broken["status"]["containerStatuses"] = {
        {{"name", "postgres"}, {"state", {{"waiting", {{"reason", "InvalidImageName"}, {"message", "bad"}}}}}}};
    api.answer(200, FakeApi::list(10, {broken}));
    const auto pod = api.run(wait_until(client, pod_p(), pod_ready, 20s));
    REQUIRE_FALSE(pod);
    CHECK(pod.error().code == "pod_cannot_start");
    CHECK(pod.error().message == "Pod p: postgres: InvalidImageName: bad");
}

TEST_CASE("kube wait_until: a time-out tells what the pod was waiting for") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    auto waiting = FakeApi::pod("p", 3);
    waiting["status"]["containerStatuses"] = {
        {{"name", "postgres"},
         {"state", {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "no such image"}}}}}}};
    api.answer(200, FakeApi::list(10, {waiting}));
    api.stream({}, true);
    const auto pod = api.run(wait_until(client, pod_p(), pod_ready, 100ms));
    REQUIRE_FALSE(pod);
    CHECK(pod.error().message == "Pod ns/p: not as awaited within 100 ms; postgres: ImagePullBackOff: no such image");
}

TEST_CASE("kube wait_gone: an absent object is gone, and so is one that another has replaced") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, FakeApi::list(10, {}));
    CHECK(api.run(wait_gone(client, pod_p(), 20s)));

    api.answer(200, FakeApi::list(10, {FakeApi::pod("p", 3)}));
    api.stream({FakeApi::event("DELETED", FakeApi::pod("p", 11))}, true);
    CHECK(api.run(wait_gone(client, pod_p(), 20s)));

    api.answer(200, FakeApi::list(10, {FakeApi::pod("p", 3, "True", "u2")}));
    CHECK(api.run(wait_gone(client, pod_p(), 20s, "u1")));

    api.answer(200, FakeApi::list(10, {FakeApi::pod("p", 3)}));
    api.stream({}, true);
    CHECK(api.run(wait_gone(client, pod_p(), 100ms)).error().code == "kube_wait_timed_out");
}

TEST_CASE("kube watch: a line that is no event is trouble that passes") {
    const auto error_of = [](std::string_view line) { return parse_watch_event(line, "Pods").error(); };
    for (const auto* line :
         {"x", "[]", "{}", R"({"type":"ADDED","object":3})", R"({"type":"ERROR","object":[1]})",
          R"({"type":"ADDED","object":{"kind":"Pod"}})", R"({"type":"ADDED","object":{"metadata":"m"}})"}) {
        INFO(line);
        CHECK(error_of(line).kind == ErrorKind::transient);
        CHECK(error_of(line).code == "kube_unavailable");
    }
    CHECK(error_of(R"({"type":"ERROR","object":{"code":410,"message":"too old"}})").code == "kube_expired");
    CHECK(error_of(R"({"type":"ERROR","object":{"code":"410"}})").code == "kube_unavailable");
    CHECK(parse_watch_event(R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})", "Pods")->type == "ADDED");
}
