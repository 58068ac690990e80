#include "kube/agents.hpp"

#include "fake_api.hpp"
#include "kube/certificates.hpp"
#include "kube/manifests.hpp"

#include <unistd.h>

using namespace toygres;
using namespace toygres::kube;
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
            [this](http::Exchange& exchange) {
                ha::AgentStatus status{};
                status.member = member_name(k8s_name, member.ordinal);
                return exchange.respond({200, {}, encode(status).dump()});
            });
        server->start();
    }
    asio::io_context& io;
    Agents::Member member;
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
