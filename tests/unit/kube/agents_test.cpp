#include "kube/agents.hpp"

#include "base/event.hpp"
#include "fake_api.hpp"
#include "kube/certificates.hpp"
#include "kube/manifests.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <unistd.h>

using namespace toygres;
using namespace toygres::kube;
using asio::experimental::awaitable_operators::operator||;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

constexpr auto k8s_name = "mydb-1a2b3c4d";
constexpr auto ns = "toygres";

// The certificates of an instance by a CA of this generation.
HeldCertificates generation() {
    const auto ca = make_ca("own", 1h);
    return {ca.certificate_pem, issue_certificates(ca, k8s_name, ns, {}, 1h)};
}

Json secret_of(const HeldCertificates& held) {
    Json out = {
        {"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", tls_secret(k8s_name)}, {"namespace", ns}}}};
    set_keys(out, {{"ca.crt", held.ca_bundle},
                   {"client.crt", held.issued.client.certificate_pem},
                   {"client.key", held.issued.client.private_key_pem.reveal()}});
    return out;
}

http::ServerTls shown(const HeldCertificates& held) {
    return {held.issued.server.certificate_pem, held.issued.server.private_key_pem.reveal(), held.ca_bundle, true};
}

// An agent that lives at an address of this test process alone: the port is the same for all agents.
struct FakeAgent {
    FakeAgent(asio::io_context& context, int number, const HeldCertificates& held)
        : io(context),
          member{k8s_name, ns, number,
                 fmt::format("127.{}.{}.{}", 128 + ::getpid() / 256 % 64, ::getpid() % 256, number)} {
        begin_anew(held);
    }
    // With other certificates, and no connection of before.
    void begin_anew(const HeldCertificates& held) {
        server.reset();
        server = std::make_unique<http::Server>(
            io, http::ServerOptions{.address = member.address, .port = 8443, .tls = shown(held)},
            [this](http::Exchange& exchange) { return answer(exchange); });
        server->start();
    }
    ha::AgentStatus status() const {
        ha::AgentStatus out{};
        out.member = member_name(k8s_name, member.ordinal);
        out.state = ha::AgentState::running;
        out.ready = true;
        return out;
    }
    asio::awaitable<void> answer(http::Exchange& exchange) {
        requests.push_back(exchange.request().target);
        if (!tells || exchange.request().target != "/status?watch")
            co_return co_await exchange.respond({200, {}, encode(status()).dump() + "\n"});
        co_await exchange.begin_stream(200, {});
        ++streams;
        for (std::size_t said = 0; said < lines.size() || !ended; ++said) {
            while (said == lines.size() && !ended) {
                if ((co_await (more.wait() || exchange.closed())).index() == 1) ended = true;
            }
            if (said < lines.size() && !co_await exchange.write(lines[said] + "\n")) break;
        }
        --streams;
    }
    void say(const std::string& line) {
        lines.push_back(line);
        more.notify();
    }
    void say(const ha::AgentStatus& told) { say(encode(told).dump()); }
    void end() {
        ended = true;
        more.notify();
    }
    std::size_t asked(const std::string& target) const { return std::ranges::count(requests, target); }

    asio::io_context& io;
    Agents::Member member;
    std::vector<std::string> requests;
    bool tells = false;
    std::vector<std::string> lines;  // that a stream consists of
    bool ended = false;
    int streams = 0;  // that are open
    Event more{io.get_executor()};
    std::unique_ptr<http::Server> server;
};

struct Scene {
    FakeApi api;
    Client client{api.io.get_executor(), api.access()};
    Agents agents{api.io.get_executor(), client};

    // "" or the code of the error.
    std::string ask(const FakeAgent& agent) {
        const auto status = api.run(agents.status(agent.member, 0ms, 5s));
        return status ? "" : status.error().code;
    }
    const Agents::Told* told(const FakeAgent& agent) {
        return agents.told(agent.member, [this] { ++news; });
    }
    bool eventually(std::function<bool()> holds) {
        return api.run([](std::function<bool()> condition) -> asio::awaitable<bool> {
            asio::steady_timer timer(co_await asio::this_coro::executor);
            const auto deadline = std::chrono::steady_clock::now() + 30s;
            while (!condition() && std::chrono::steady_clock::now() < deadline) {
                timer.expires_after(2ms);
                co_await timer.async_wait(use);
            }
            co_return condition();
        }(std::move(holds)));
    }
    int news = 0;
    // A refusal first, while the certificates are read anew.
    bool answers_again(const FakeAgent& agent) {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (std::chrono::steady_clock::now() < deadline)
            if (ask(agent).empty()) return true;
        return false;
    }
};

}  // namespace

TEST_CASE("agents: new certificates, of another CA too, are found out by the agent that shows them") {
    Scene scene;
    const auto first = generation();
    const auto second = generation();
    FakeAgent agent(scene.api.io, 1, first);
    scene.api.answer(200, secret_of(first));
    CHECK(scene.ask(agent) == "");
    CHECK(scene.ask(agent) == "");
    CHECK(scene.api.requests.size() == 1);

    agent.begin_anew(second);
    scene.api.answer(200, secret_of(second));
    CHECK(scene.ask(agent) == "tls_untrusted");
    CHECK(scene.answers_again(agent));
    CHECK(scene.api.requests.size() == 2);
}

TEST_CASE("agents: while the certificates of the cluster cannot be read, the old ones serve those who show them") {
    Scene scene;
    const auto first = generation();
    const auto second = generation();
    FakeAgent one(scene.api.io, 1, first);
    FakeAgent two(scene.api.io, 2, first);
    scene.api.answer(200, secret_of(first));
    CHECK(scene.ask(one) == "");
    CHECK(scene.ask(two) == "");
    two.begin_anew(second);
    CHECK(scene.ask(two) == "tls_untrusted");
    CHECK(scene.ask(one) == "");
    CHECK(scene.ask(two) == "tls_untrusted");
    CHECK(scene.ask(one) == "");
}

TEST_CASE("agents: a client certificate that is not accepted is exchanged") {
    Scene scene;
    const auto good = generation();
    auto bad = generation();
    bad.ca_bundle = good.ca_bundle;
    FakeAgent agent(scene.api.io, 1, good);
    scene.api.answer(200, secret_of(bad));
    CHECK(scene.ask(agent) == "tls_untrusted");
    scene.api.answer(200, secret_of(good));
    CHECK(scene.answers_again(agent));
}

TEST_CASE("agents: what is forgotten is read again") {
    Scene scene;
    const auto held = generation();
    FakeAgent agent(scene.api.io, 1, held);
    scene.api.answer(200, secret_of(held));
    CHECK(scene.ask(agent) == "");
    scene.agents.forget(k8s_name);
    scene.api.answer(200, secret_of(held));
    CHECK(scene.ask(agent) == "");
    CHECK(scene.api.requests.size() == 2);
}

TEST_CASE("agents: one that tells need not be asked, and what it tells calls for a look when it matters") {
    Scene scene;
    const auto held = generation();
    FakeAgent agent(scene.api.io, 1, held);
    agent.tells = true;
    scene.api.answer(200, secret_of(held));
    CHECK(scene.told(agent) == nullptr);
    CHECK(scene.ask(agent) == "");
    CHECK(scene.told(agent) == nullptr);

    auto status = agent.status();
    status.flush_lsn = "0/10";
    agent.say(status);
    REQUIRE(scene.eventually([&] { return scene.told(agent) != nullptr; }));
    CHECK(scene.told(agent)->status.flush_lsn == "0/10");

    status.flush_lsn = "0/20";
    agent.say(status);
    REQUIRE(scene.eventually([&] { return scene.told(agent)->status.flush_lsn == "0/20"; }));
    const auto heard_at = scene.told(agent)->heard_at;
    agent.say("");
    REQUIRE(scene.eventually([&] { return scene.told(agent)->heard_at > heard_at; }));
    CHECK(scene.told(agent)->status.flush_lsn == "0/20");
    CHECK(scene.news == 0);

    status.ready = false;
    agent.say(status);
    REQUIRE(scene.eventually([&] { return !scene.told(agent)->status.ready; }));
    CHECK(scene.news == 1);
    status.stop_requested = true;
    agent.say(status);
    CHECK(scene.eventually([&] { return scene.news == 2; }));
    CHECK(agent.requests.size() == 2);

    agent.end();
    CHECK(scene.eventually([&] { return scene.told(agent) == nullptr; }));
    CHECK(scene.news == 3);
}

TEST_CASE("agents: what makes no sense ends the telling") {
    Scene scene;
    const auto held = generation();
    FakeAgent agent(scene.api.io, 1, held);
    agent.tells = true;
    scene.api.answer(200, secret_of(held));
    CHECK(scene.ask(agent) == "");
    scene.told(agent);
    agent.say(agent.status());
    REQUIRE(scene.eventually([&] { return scene.told(agent) != nullptr; }));
    agent.say("{\"state\": 7}");
    CHECK(scene.eventually([&] { return scene.told(agent) == nullptr; }));
    CHECK(scene.ask(agent) == "");
}

TEST_CASE("agents: one of a release that does not tell is asked, and not to tell again and again") {
    Scene scene;
    const auto held = generation();
    FakeAgent agent(scene.api.io, 1, held);
    scene.api.answer(200, secret_of(held));
    CHECK(scene.ask(agent) == "");
    scene.told(agent);
    REQUIRE(scene.eventually([&] { return agent.asked("/status?watch") == 1; }));
    REQUIRE(scene.eventually([&] { return scene.told(agent) == nullptr; }));
    CHECK(scene.ask(agent) == "");
    CHECK(scene.told(agent) == nullptr);
    CHECK(scene.ask(agent) == "");
    CHECK(agent.asked("/status?watch") == 1);
}

TEST_CASE("agents: nobody listens to a member that is forgotten") {
    Scene scene;
    const auto held = generation();
    FakeAgent agent(scene.api.io, 1, held);
    agent.tells = true;
    scene.api.answer(200, secret_of(held));
    CHECK(scene.ask(agent) == "");
    scene.told(agent);
    agent.say(agent.status());
    REQUIRE(scene.eventually([&] { return scene.told(agent) != nullptr; }));
    CHECK(agent.streams == 1);
    scene.agents.forget(k8s_name);
    CHECK(scene.told(agent) == nullptr);
    agent.say("");
    CHECK(scene.eventually([&] { return agent.streams == 0; }));
    CHECK(scene.news == 0);
}
