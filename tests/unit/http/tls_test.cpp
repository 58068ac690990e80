#include "base/crypto.hpp"
#include "base/file.hpp"
#include "unit/http/fixture.hpp"

#include <cstdlib>
#include <filesystem>

using namespace toygres;
using namespace toygres::http;
using namespace toygres::http::test;

namespace {

asio::awaitable<void> who_are_you(Exchange& exchange) {
    co_await exchange.respond({200, {}, exchange.request().client_cert_cn.value_or("nobody")});
}

// The code of the error, or the body of the answer.
asio::awaitable<std::string> outcome(Client& client) {
    auto response = co_await client.send(get("/"), 10s);
    co_return response ? response->body : response.error().code;
}

std::string outcome_of(asio::io_context& io, const ServerTls& server_tls, ClientTls client_tls,
                       const std::string& host = "127.0.0.1") {
    io.restart();
    Server server(io, {.tls = server_tls}, who_are_you);
    server.start();
    Client client(io.get_executor(),
                  {.base_url = "https://" + host + ":" + std::to_string(server.port()), .tls = std::move(client_tls)});
    std::string out;
    const auto body = [](Client& c, std::string& result) -> asio::awaitable<void> { result = co_await outcome(c); };
    run(io, body(client, out));
    return out;
}

}  // namespace

TEST_CASE("tls: a private CA is trusted, by address and by name") {
    asio::io_context io;
    const Pki pki;
    CHECK(outcome_of(io, pki.server_tls(), pki.client_tls()) == "nobody");
    CHECK(outcome_of(io, pki.server_tls(), pki.client_tls(), "localhost") == "nobody");
}

TEST_CASE("tls: another CA, another name and plain distrust are refused") {
    asio::io_context io;
    const Pki pki;
    const Pki other;
    CHECK(outcome_of(io, pki.server_tls(), other.client_tls()) == "tls_untrusted");
    auto named = pki.client_tls();
    named.server_name = "example.test";
    CHECK(outcome_of(io, pki.server_tls(), named) == "tls_untrusted");
    CHECK(outcome_of(io, pki.server_tls(), {}) == "tls_untrusted");
    CHECK(outcome_of(io, pki.server_tls(), {.verify = false}) == "nobody");
}

TEST_CASE("tls: client certificates are verified and named") {
    asio::io_context io;
    const Pki pki;
    const Pki other;
    CHECK(outcome_of(io, pki.server_tls(true), pki.client_tls(true)) == "worker");
    CHECK(outcome_of(io, pki.server_tls(true), pki.client_tls(false)) == "tls_untrusted");
    auto stranger = other.client_tls(true);
    stranger.ca_pem = pki.ca.certificate_pem;
    CHECK(outcome_of(io, pki.server_tls(true), stranger) == "tls_untrusted");
    auto optional = pki.server_tls(true);
    optional.require_client_certificate = false;
    CHECK(outcome_of(io, optional, pki.client_tls(false)) == "nobody");
}

TEST_CASE("tls: a renewed certificate serves connections to come") {
    asio::io_context io;
    const Pki before;
    const Pki after;
    Server server(io, {.tls = before.server_tls()}, who_are_you);
    server.start();
    const auto body = [&]() -> asio::awaitable<void> {
        Client kept(co_await asio::this_coro::executor, {.base_url = url_of(server, true), .tls = before.client_tls()});
        CHECK(co_await outcome(kept) == "nobody");
        server.replace_tls(after.server_tls());
        CHECK(co_await outcome(kept) == "nobody");
        Client fresh(co_await asio::this_coro::executor, {.base_url = url_of(server, true), .tls = after.client_tls()});
        CHECK(co_await outcome(fresh) == "nobody");
    };
    run(io, body());
}

TEST_CASE("x509: openssl verifies what we issue, for its purpose only") {
    const Pki pki;
    const auto dir = std::filesystem::temp_directory_path() / ("pki-" + random_hex(8));
    std::filesystem::create_directory(dir);
    const auto path = [&](const char* name) { return (dir / name).string(); };
    value_or_raise(write_file_atomically(path("ca.pem"), pki.ca.certificate_pem));
    value_or_raise(write_file_atomically(path("server.pem"), pki.server.certificate_pem));
    value_or_raise(write_file_atomically(path("client.pem"), pki.client.certificate_pem));
    const auto verifies = [&](const std::string& arguments) {
        const auto command =
            "openssl verify -x509_strict -CAfile " + path("ca.pem") + " " + arguments + " >/dev/null 2>&1";
        return std::system(command.c_str()) == 0;
    };
    CHECK(verifies("-purpose sslserver -verify_ip 127.0.0.1 -verify_hostname localhost " + path("server.pem")));
    CHECK(verifies("-purpose sslclient " + path("client.pem")));
    CHECK(!verifies("-purpose sslclient " + path("server.pem")));
    CHECK(!verifies("-purpose sslserver -verify_hostname example.test " + path("server.pem")));
    std::filesystem::remove_all(dir);
}

TEST_CASE("x509: expiry is read back, and refusals have names") {
    const auto ca = make_ca("short", std::chrono::hours(48));
    const auto expiry = certificate_expiry(ca.certificate_pem).value();
    CHECK(expiry > now() + 47h);
    CHECK(expiry <= now() + 48h);
    CHECK(certificate_expiry("nonsense").error().code == "bad_certificate");
    const auto code_of = [](const CertificatePair& issuer, CertificateRequest request) {
        try {
            issue_certificate(issuer, request);
        } catch (const ErrorException& e) {
            return e.error().code;
        }
        return std::string("issued");
    };
    const CertificateRequest plain{"x", {}, {}, 1h, true, false};
    CHECK(code_of({"nonsense", Secret("nonsense")}, plain) == "bad_ca");
    CHECK(code_of({ca.certificate_pem, make_ca("other", 1h).private_key_pem}, plain) == "bad_ca");
    CHECK(code_of(ca, {"x", {}, {"not-an-ip"}, 1h, true, false}) == "bad_certificate_request");
    // A comma in a name is part of it, and adds no second one.
    CHECK(code_of(ca, {"x", {"a,DNS:b"}, {}, 1h, true, false}) == "issued");
}

TEST_CASE("tls: a key under a passphrase is refused, not asked for on the terminal") {
    // Of `openssl ec -aes128`.
    const auto key = read_file(TOYGRES_SOURCE_DIR "/tests/fuzz/corpus/certificate/key_under_passphrase").value();
    CHECK_FALSE(is_key_of(key, key));
    asio::io_context io;
    const auto code_of = [&]() -> std::string {
        try {
            Client client(io.get_executor(), {.base_url = "https://localhost:1",
                                              .tls = ClientTls{.certificate_pem = key, .private_key_pem = key}});
        } catch (const ErrorException& e) {
            return e.error().code;
        }
        return "taken";
    };
    CHECK(code_of() == "bad_tls");
}
