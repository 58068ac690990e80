// Runs one coroutine test on an io_context of its own, with a server whose handler the test gives.
#pragma once
#include "base/asio.hpp"
#include "base/x509.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <string>

namespace toygres::http::test {

using namespace std::chrono_literals;

// Runs `body` to its end; a test that hangs fails after a minute.
inline void run(asio::io_context& io, asio::awaitable<void> body) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(io, std::move(body), [&](std::exception_ptr e) {
        failure = e;
        done = true;
        io.stop();
    });
    io.run_for(60s);
    if (failure) std::rethrow_exception(failure);
    REQUIRE(done);
}

inline std::string url_of(const Server& server, bool tls = false) {
    return (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server.port());
}

inline Request get(std::string target) { return {.method = "GET", .target = std::move(target)}; }

// Answers with what was asked: method, target and body.
inline asio::awaitable<void> echo(Exchange& exchange) {
    const auto& r = exchange.request();
    co_await exchange.respond({200, {{"Content-Type", "text/plain"}}, r.method + " " + r.target + " " + r.body});
}

// A CA with a server certificate for 127.0.0.1 and localhost, and a client's of the common name "worker".
struct Pki {
    CertificatePair ca = make_ca("test CA", std::chrono::hours(24));
    CertificatePair server =
        issue_certificate(ca, {"server", {"localhost"}, {"127.0.0.1"}, std::chrono::hours(24), true, false});
    CertificatePair client = issue_certificate(ca, {"worker", {}, {}, std::chrono::hours(24), false, true});

    ServerTls server_tls(bool require_client = false) const {
        return {server.certificate_pem, server.private_key_pem.reveal(),
                require_client ? ca.certificate_pem : std::string(), require_client};
    }
    ClientTls client_tls(bool with_certificate = false) const {
        ClientTls out{.ca_pem = ca.certificate_pem};
        if (with_certificate) {
            out.certificate_pem = client.certificate_pem;
            out.private_key_pem = client.private_key_pem.reveal();
        }
        return out;
    }
};

}  // namespace toygres::http::test
