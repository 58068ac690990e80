#include "activities/member_troubles.hpp"

#include "unit/kube/fake_api.hpp"

using namespace toygres;
using namespace toygres::activities;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

const ha::Record record{.primary = "db-2", .members = {"db-1", "db-2"}};

ha::Observation down() {
    ha::Observation seen;
    seen["db-1"].down_ms = 2'000;
    seen["db-2"];
    return seen;
}

Json a_pod_without_its_image() {
    auto pod = FakeApi::pod("db-1-0", 3);
    pod["metadata"]["labels"] = {{"toygres.io/member", "db-1"}};
    const Json waiting = {{"reason", "ImagePullBackOff"}, {"message", "no such image"}};
    const Json status = {{"name", "postgres"}, {"state", {{"waiting", waiting}}}};
    pod["status"]["containerStatuses"] = Json::array({status});
    return pod;
}

// Looks again and again, as the monitor does; the view of db-1 when there is something to tell of it.
asio::awaitable<ha::MemberView> first_told(MemberTroubles& troubles) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        auto seen = down();
        troubles.see(record, seen);
        if (seen["db-1"].trouble) co_return seen["db-1"];
        timer.expires_after(5ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

}  // namespace

TEST_CASE("member troubles: no look waits for Kubernetes; what it says is told until the member serves") {
    FakeApi api;
    kube::Client client(api.io.get_executor(), api.access());
    MemberTroubles troubles(client, {"id", "db", "ns"});
    api.answer(200, a_pod_without_its_image());
    const auto view = api.run(first_told(troubles));
    CHECK(*view.trouble == ha::Trouble{"ImagePullBackOff", "postgres: no such image"});
    // Of one that serves nobody asks.
    REQUIRE(api.requests.size() == 1);
    CHECK(api.requests[0].target == "/api/v1/namespaces/ns/pods/db-1-0");
    auto seen = down();
    seen["db-1"].down_ms = 0;
    troubles.see(record, seen);
    CHECK_FALSE(seen["db-1"].trouble);
    seen = down();
    troubles.see(record, seen);
    CHECK_FALSE(seen["db-1"].trouble);
}

TEST_CASE("member troubles: a refusal to make its objects is told of a member that is not there") {
    FakeApi api;
    kube::Client client(api.io.get_executor(), api.access());
    MemberTroubles troubles(client, {"id", "db", "ns"});
    auto seen = down();
    seen["db-1"].down_ms = 1;
    troubles.note("db-1", {"QuotaExceeded", "exceeded quota"});
    troubles.see(record, seen);
    REQUIRE(seen["db-1"].trouble);
    CHECK(seen["db-1"].trouble->reason == "QuotaExceeded");
}

TEST_CASE("member troubles: an operation's are news when they change") {
    FakeApi api;
    kube::Client client(api.io.get_executor(), api.access());
    MemberTroubles troubles(client, {"id", "db", "ns"});
    const ha::Trouble trouble{"Unschedulable", "no node"};
    CHECK(troubles.is_news("health-db", std::nullopt));
    CHECK_FALSE(troubles.is_news("health-db", std::nullopt));
    CHECK(troubles.is_news("health-db", trouble));
    CHECK_FALSE(troubles.is_news("health-db", trouble));
    CHECK(troubles.is_news("create-db", trouble));
    CHECK(troubles.is_news("health-db", std::nullopt));
}
