#include "kube/topologies.hpp"

#include "base/event.hpp"
#include "http/server.hpp"
#include "support/catch.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <functional>

using namespace toygres;
using namespace toygres::kube;
using asio::experimental::awaitable_operators::operator||;
using namespace std::chrono_literals;

namespace {

Json config_map(int version, const std::string& text) {
    return {
        {"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", "mydb-topology"}, {"namespace", "ns"}, {"resourceVersion", std::to_string(version)}}},
        {"data", {{"topology.json", text}}}};
}

// An API server with one ConfigMap.
struct Scene {
    Scene() { server.start(); }
    asio::awaitable<void> answer(http::Exchange& exchange) {
        const auto& target = exchange.request().target;
        if (fails) co_return co_await exchange.respond({500, {}, "{}"});
        if (target.contains("watch=true")) co_return co_await tell(exchange);
        if (target.contains("/configmaps/")) co_return co_await exchange.respond({404, {}, "{}"});
        ++lists;
        const Json listing = {{"kind", "ConfigMapList"},
                              {"metadata", {{"resourceVersion", "10"}}},
                              {"items", Json::array({config_map(10, listed)})}};
        co_await exchange.respond({200, {}, listing.dump()});
    }
    asio::awaitable<void> tell(http::Exchange& exchange) {
        co_await exchange.begin_stream(200, {});
        for (std::size_t said = 0;; ++said) {
            while (said == events.size())
                if ((co_await (more.wait() || exchange.closed())).index() == 1) co_return;
            if (!co_await exchange.write(events[said].dump() + "\n")) co_return;
        }
    }
    void say(const std::string& type, Json object) {
        events.push_back({{"type", type}, {"object", std::move(object)}});
        more.notify();
    }
    Access access() const {
        Access out{};
        out.server = fmt::format("http://127.0.0.1:{}", server.port());
        return out;
    }
    std::string told() {
        const auto* text = topologies.told("ns", "mydb");
        return text == nullptr ? "(nothing)" : *text;
    }
    bool eventually(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!holds() && std::chrono::steady_clock::now() < deadline) io.run_one_for(10ms);
        return holds();
    }

    asio::io_context io;
    bool fails = false;
    int lists = 0;
    std::string listed = "first";
    std::vector<Json> events;
    Event more{io.get_executor()};
    http::Server server{io, {}, [this](http::Exchange& exchange) { return answer(exchange); }};
    Client client{io.get_executor(), access(), {.retries_max = 0}};
    Topologies topologies{client};
};

}  // namespace

TEST_CASE("topologies: are told of once they are listed, as they change and as they go") {
    Scene scene;
    CHECK(scene.told() == "(nothing)");
    REQUIRE(scene.eventually([&] { return scene.told() == "first"; }));
    scene.say("MODIFIED", config_map(11, "second"));
    CHECK(scene.eventually([&] { return scene.told() == "second"; }));
    scene.say("DELETED", config_map(12, "second"));
    CHECK(scene.eventually([&] { return scene.told() == "(nothing)"; }));
    CHECK(scene.topologies.told("ns", "another") == nullptr);
    CHECK(scene.lists == 1);
}

TEST_CASE("topologies: an API that does not serve any more is noticed though its watch goes on, and listed again") {
    Scene scene;
    REQUIRE(scene.eventually([&] { return scene.told() == "first"; }));
    scene.fails = true;
    REQUIRE(scene.eventually([&] { return scene.told() == "(nothing)"; }));
    scene.listed = "changed meanwhile";
    scene.fails = false;
    CHECK(scene.eventually([&] { return scene.told() == "changed meanwhile"; }));
    CHECK(scene.lists == 2);
}
