#include "kube/certificates.hpp"

#include "base/crypto.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::kube;
using namespace std::chrono_literals;

namespace {

constexpr auto k8s_name = "mydb-1a2b3c4d";
constexpr auto ns = "toygres";
constexpr auto day = 24h;

struct Issued {
    CertificatePair ca = make_ca("own", ca_lifetime);

    HeldCertificates held(std::chrono::seconds lifetime, std::vector<std::string> addresses = {}) const {
        return {ca.certificate_pem, issue_certificates(ca, k8s_name, ns, addresses, lifetime)};
    }
};

Renewal renewal(const HeldCertificates& held, std::chrono::seconds from_now = 0s,
                std::vector<std::string> addresses = {}) {
    return renewal_of(held, k8s_name, ns, addresses, {}, now() + from_now);
}

Json tls_secret_of(const HeldCertificates& held) {
    Json out = {{"metadata", {{"name", tls_secret(k8s_name)}, {"resourceVersion", "7"}}}};
    set_keys(out, {{"ca.crt", held.ca_bundle},
                   {"tls.crt", held.issued.server.certificate_pem},
                   {"tls.key", held.issued.server.private_key_pem.reveal()},
                   {"client.crt", held.issued.client.certificate_pem},
                   {"client.key", held.issued.client.private_key_pem.reveal()}});
    return out;
}

}  // namespace

TEST_CASE("certificates: those of 90 days are due seven days before their end, short ones for their last third") {
    const Issued issued;
    const auto usual = issued.held(CertificatePolicy().lifetime);
    CHECK(renewal(usual) == Renewal::not_due);
    CHECK(renewal(usual, 83 * day - 1h) == Renewal::not_due);
    CHECK(renewal(usual, 83 * day + 1h) == Renewal::expiring);
    CHECK(renewal(usual, 91 * day) == Renewal::expiring);
    // They begin an hour ago: of 3 h and 30 min a third is 70 min.
    const auto brief = issued.held(150min);
    CHECK(renewal(brief, 75min) == Renewal::not_due);
    CHECK(renewal(brief, 85min) == Renewal::expiring);
}

TEST_CASE("certificates: the margin and the lifetime can be set") {
    const Issued issued;
    const auto held = issued.held(10 * day);
    const auto with = [&](CertificatePolicy policy) { return renewal_of(held, k8s_name, ns, {}, policy, now()); };
    CHECK(with({.lifetime = 10 * day, .margin = 1h}) == Renewal::not_due);
    CHECK(with({.lifetime = 2 * day, .margin = 1h}) == Renewal::long_lived);
    const auto late = [&](std::chrono::seconds margin) {
        return renewal_of(held, k8s_name, ns, {}, {.lifetime = 10 * day, .margin = margin}, now() + 8 * day);
    };
    CHECK(late(1 * day) == Renewal::not_due);
    CHECK(late(3 * day) == Renewal::expiring);
}

TEST_CASE("certificates: those that earlier releases made for ten years are due") {
    const Issued issued;
    CHECK(renewal(issued.held(ca_lifetime - 1 * day)) == Renewal::long_lived);
}

TEST_CASE("certificates: the client's expiry counts as the server's does") {
    const Issued issued;
    auto held = issued.held(90 * day);
    held.issued.client = issued.held(20min).issued.client;
    CHECK(renewal(held) == Renewal::expiring);
}

TEST_CASE("certificates: a key of another certificate, no certificate and another CA are due") {
    const Issued issued;
    const Issued other;
    auto halved = issued.held(90 * day);
    halved.issued.server.private_key_pem = issued.held(90 * day).issued.server.private_key_pem;
    CHECK(renewal(halved) == Renewal::mismatched);
    auto damaged = issued.held(90 * day);
    damaged.issued.server.certificate_pem = "no certificate";
    CHECK(renewal(damaged) == Renewal::mismatched);
    auto foreign = issued.held(90 * day);
    foreign.ca_bundle = other.ca.certificate_pem;
    CHECK(renewal(foreign) == Renewal::untrusted);
    // Of several CAs one is enough.
    foreign.ca_bundle += issued.ca.certificate_pem;
    CHECK(renewal(foreign) == Renewal::not_due);
}

TEST_CASE("certificates: every name of the Services and of the members is proved, and no other") {
    const Issued issued;
    const auto server = Certificate::read(issued.held(90 * day).issued.server.certificate_pem).value();
    for (const auto& service : {rw_service(k8s_name), ro_service(k8s_name)})
        for (const auto* suffix : {"", ".toygres", ".toygres.svc", ".toygres.svc.cluster.local"}) {
            INFO(service << suffix);
            CHECK(server.covers(service + suffix));
        }
    for (int member = 1; member <= 5; ++member) CHECK(server.covers(member_host(k8s_name, ns, member)));
    CHECK_FALSE(server.covers("mydb-1a2b3c4d.other.svc.cluster.local"));
    CHECK_FALSE(server.covers("other-1a2b3c4d.toygres.svc.cluster.local"));
    CHECK_FALSE(server.covers(member_host(k8s_name, "other", 1)));
}

TEST_CASE("certificates: the address of a load balancer is proved, once it is known") {
    const Issued issued;
    const auto before = issued.held(90 * day);
    for (const std::string address : {"203.0.113.7", "2001:db8::7", "db.example.net"}) {
        INFO(address);
        CHECK(renewal(before, 0s, {address}) == Renewal::uncovered);
        const auto after = issued.held(90 * day, {address});
        CHECK(Certificate::read(after.issued.server.certificate_pem)->covers(address));
        CHECK(renewal(after, 0s, {address}) == Renewal::not_due);
    }
}

TEST_CASE("certificates: none outlives the CA that signed it") {
    const auto ca = make_ca("short", 30 * day);
    const auto issued = issue_certificates(ca, k8s_name, ns, {}, 90 * day);
    CHECK(certificate_expiry(issued.server.certificate_pem).value() <= certificate_expiry(ca.certificate_pem).value());
    CHECK(certificate_expiry(issued.client.certificate_pem).value() <= certificate_expiry(ca.certificate_pem).value());
}

TEST_CASE("certificates: a renewed Secret keeps its version and its CA, and notes what happened") {
    const Issued issued;
    const auto old = issued.held(20min);
    const auto fresh = issued.held(90 * day);
    const auto secret = with_certificates(tls_secret_of(old), fresh.issued, {{"reason", "expiring"}});
    const auto held = read_certificates(secret);
    REQUIRE(held);
    CHECK(renewal(*held) == Renewal::not_due);
    CHECK(held->issued.server.certificate_pem == fresh.issued.server.certificate_pem);
    CHECK(held->issued.client.certificate_pem == fresh.issued.client.certificate_pem);
    CHECK(held->ca_bundle == old.ca_bundle);
    CHECK(secret["metadata"]["resourceVersion"] == "7");
    CHECK(secret["metadata"]["annotations"][std::string(renewal_note)] == R"({"reason":"expiring"})");
    auto incomplete = tls_secret_of(old);
    incomplete["data"].erase("client.key");
    CHECK(read_certificates(incomplete).error().code == "secret_key_missing");
}

TEST_CASE("certificates: an application finds all it needs, with every character of the password in its place") {
    const auto keys = connection_keys("p@ss:w\\rd/&", k8s_name, ns, "the CA");
    const std::string host = "mydb-1a2b3c4d.toygres.svc.cluster.local";
    const std::string encoded = "p%40ss%3Aw%5Crd%2F%26";
    CHECK(keys == std::map<std::string, std::string>{
                      {"username", "postgres"},
                      {"password", "p@ss:w\\rd/&"},
                      {"host", host},
                      {"port", "5432"},
                      {"dbname", "postgres"},
                      {"uri", "postgresql://postgres:" + encoded + "@" + host + ":5432/postgres?sslmode=verify-full"},
                      {"jdbc-uri", "jdbc:postgresql://" + host + ":5432/postgres?user=postgres&password=" + encoded +
                                       "&sslmode=verify-full"},
                      {"pgpass", host + ":5432:*:postgres:p@ss\\:w\\\\rd/&\n"},
                      {"ca.crt", "the CA"}});
}

TEST_CASE("certificates: keys of a Secret are written when they differ only") {
    Json secret = {{"data", {{"password", base64_encode("old")}, {"mine", "as it is"}}}};
    CHECK(set_keys(secret, {{"password", "new"}}));
    CHECK(secret_value(secret, "password")->reveal() == "new");
    CHECK(secret["data"]["mine"] == "as it is");
    CHECK_FALSE(set_keys(secret, {{"password", "new"}}));
}

TEST_CASE("certificates: what is made with an instance is good, and the CA's key stays out of reach of its pods") {
    InstanceSpec spec{};
    spec.k8s_name = k8s_name;
    spec.ns = ns;
    const auto secrets = make_secrets(spec);
    CHECK(renewal({secrets.ca.certificate_pem, {secrets.server, secrets.client}}) == Renewal::not_due);
    for (const auto& object : *secret_objects(*Templates::embedded(), spec, secrets))
        CHECK(object["stringData"].contains("ca.key") == (object["metadata"]["name"] == ca_secret(k8s_name)));
    for (const auto& object : *instance_objects(*Templates::embedded(), spec, first_topology(spec)))
        CHECK_FALSE(object.dump().contains(ca_secret(k8s_name)));
}
