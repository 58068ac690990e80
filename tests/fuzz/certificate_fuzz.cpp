// Certificates and keys in PEM, as they come from Secrets, files and kubeconfigs.
#include "base/x509.hpp"
#include "fuzz/fuzz.hpp"
#include "http/client.hpp"

using namespace toygres;

namespace {

void expect_bad_tls(const http::ClientTls& tls) {
    asio::io_context io;
    try {
        const http::Client client(io.get_executor(), {.base_url = "https://localhost:1", .tls = tls});
    } catch (const ErrorException& e) {
        TG_ASSERT(e.error().code == "bad_tls");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(fuzz::text_of(data, size));
    const auto certificate = Certificate::read(text);
    const auto expiry = certificate_expiry(text);
    TG_ASSERT(certificate.has_value() == expiry.has_value());
    if (certificate) {
        TG_ASSERT(certificate->validity().until == *expiry);
        certificate->has_key(text);
        certificate->is_signed_by(text);
        certificate->covers("localhost");
        certificate->covers("127.0.0.1");
    } else {
        fuzz::expect_refusal(certificate.error());
        TG_ASSERT(!is_key_of(text, text));
    }
    if (!text.empty()) expect_bad_tls({.ca_pem = text});
    // Not with the system's trust store, which takes long to read.
    static const auto ca = make_ca("fuzz", std::chrono::hours(1)).certificate_pem;
    expect_bad_tls({.ca_pem = ca, .certificate_pem = text, .private_key_pem = text});
    return 0;
}
