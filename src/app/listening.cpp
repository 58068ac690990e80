#include "app/listening.hpp"

#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"

#include <fmt/format.h>

namespace toygres::app {

bool is_loopback(const std::string& address) {
    boost::system::error_code error;
    const auto parsed = asio::ip::make_address(address, error);
    if (error) return false;
    if (parsed.is_v6() && parsed.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, parsed.to_v6()).is_loopback();
    return parsed.is_loopback();
}

Result<void> check_listening(const ServerConfig& config) {
    if (!config.tls_cert_file.empty() || config.allow_plain_http || is_loopback(config.listen_address)) return {};
    return std::unexpected(Error{
        ErrorKind::invalid, "plain_http_refused",
        fmt::format("on {} tokens and passwords would go over the network in clear: give --tls-cert and --tls-key, "
                    "or --listen 127.0.0.1:{}; where something before the server ends TLS, say --allow-plain-http",
                    config.listen_address, config.listen_port)});
}

Result<std::optional<http::ServerTls>> read_tls(const ServerConfig& config) {
    if (config.tls_cert_file.empty()) return std::nullopt;
    auto certificate = read_file(config.tls_cert_file);
    if (!certificate) return std::unexpected(std::move(certificate).error());
    auto key = read_file(config.tls_key_file);
    if (!key) return std::unexpected(std::move(key).error());
    if (!is_key_of(*key, *certificate))
        return std::unexpected(Error{
            ErrorKind::invalid, "certificate_mismatch",
            fmt::format("{} is not the key of the certificate in {}", config.tls_key_file, config.tls_cert_file)});
    return http::ServerTls{*std::move(certificate), *std::move(key), {}, false};
}

bool same_pair(const http::ServerTls& a, const http::ServerTls& b) {
    return a.certificate_chain_pem == b.certificate_chain_pem &&
           constant_time_equal(a.private_key_pem, b.private_key_pem);
}

}  // namespace toygres::app
