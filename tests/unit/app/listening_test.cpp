#include "app/listening.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::app;

namespace {

ServerConfig listening_on(const std::string& address) {
    ServerConfig out{.database_url = "", .seal_key_file = ""};
    out.listen_address = address;
    return out;
}

}  // namespace

TEST_CASE("listening: in clear on the loopback alone, unless it is told otherwise") {
    for (const auto* address : {"127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"}) {
        INFO(address);
        CHECK(check_listening(listening_on(address)));
    }
    for (const auto* address : {"0.0.0.0", "::", "192.0.2.7", "::ffff:192.0.2.7", "localhost"}) {
        INFO(address);
        auto config = listening_on(address);
        const auto refused = check_listening(config);
        REQUIRE(!refused);
        CHECK(refused.error().code == "plain_http_refused");
        CHECK(refused.error().message.contains("--tls-cert"));
        config.allow_plain_http = true;
        CHECK(check_listening(config));
        config.allow_plain_http = false;
        config.tls_cert_file = "c";
        CHECK(check_listening(config));
    }
}
