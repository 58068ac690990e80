#include "http/tls.hpp"

#include "base/crypto.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace toygres::http {
namespace {

// Runs OpenSSL set-up; whatever it refuses becomes one error.
void configure(const char* what, const std::function<void()>& step) {
    try {
        step();
    } catch (const boost::system::system_error& e) {
        raise(ErrorKind::invalid, "bad_tls", std::string(what) + " cannot be used: " + e.code().message());
    }
}

std::shared_ptr<asio::ssl::context> make_context(asio::ssl::context::method method) {
    auto context = std::make_shared<asio::ssl::context>(method);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    // A key under a passphrase is refused; without this, OpenSSL would ask for it on the terminal.
    SSL_CTX_set_default_passwd_cb(context->native_handle(), [](char*, int, int, void*) { return -1; });
    return context;
}

void use_identity(asio::ssl::context& context, const std::string& chain, const std::string& key) {
    configure("the certificate", [&] { context.use_certificate_chain(asio::buffer(chain)); });
    configure("the private key", [&] { context.use_private_key(asio::buffer(key), asio::ssl::context::pem); });
    if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
        ERR_clear_error();
        raise(ErrorKind::invalid, "bad_tls", "the private key does not belong to the certificate");
    }
}

void trust(asio::ssl::context& context, const std::string& ca_pem) {
    configure("the CA certificate", [&] { context.add_certificate_authority(asio::buffer(ca_pem)); });
}

TlsContext make_fresh_client_context(const ClientTls& tls) {
    auto context = make_context(asio::ssl::context::tls_client);
    if (tls.ca_pem.empty())
        configure("the system's trust store", [&] { context->set_default_verify_paths(); });
    else
        trust(*context, tls.ca_pem);
    context->set_verify_mode(tls.verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
    if (!tls.certificate_pem.empty()) use_identity(*context, tls.certificate_pem, tls.private_key_pem);
    return context;
}

// What makes one context differ from another, without the key in clear.
std::string essence(const ClientTls& tls) {
    std::string all;
    for (const auto* part : {&tls.ca_pem, &tls.certificate_pem, &tls.private_key_pem})
        all += std::to_string(part->size()) + ":" + *part;
    return sha256_hex(all) + (tls.verify ? "+" : "-");
}

// Reading PEM takes longer than a handshake, and a fleet's clients come in pairs that are told the same: who asks for
// what somebody still uses gets that. A context is not changed once it is made.
class SharedContexts {
  public:
    TlsContext get(const ClientTls& tls) {
        const auto key = essence(tls);
        const std::lock_guard lock(mutex_);
        if (const auto it = made_.find(key); it != made_.end())
            if (auto used = it->second.lock()) return used;
        auto context = make_fresh_client_context(tls);
        made_[key] = context;
        if (made_.size() > sweep_at_) {
            std::erase_if(made_, [](const auto& entry) { return entry.second.expired(); });
            sweep_at_ = std::max(sweep_at_min, 2 * made_.size());
        }
        return context;
    }

  private:
    static constexpr std::size_t sweep_at_min = 64;
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<asio::ssl::context>> made_;  // by essence
    std::size_t sweep_at_ = sweep_at_min;
};

}  // namespace

TlsContext make_server_context(const ServerTls& tls) {
    auto context = make_context(asio::ssl::context::tls_server);
    use_identity(*context, tls.certificate_chain_pem, tls.private_key_pem);
    // No sessions: a resumed one would skip the look at the client's certificate, and handshakes are rare and cheap.
    SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(context->native_handle(), 0);
    if (!tls.client_ca_pem.empty()) {
        trust(*context, tls.client_ca_pem);
        auto mode = asio::ssl::verify_peer;
        if (tls.require_client_certificate) mode |= asio::ssl::verify_fail_if_no_peer_cert;
        context->set_verify_mode(mode);
    } else if (tls.require_client_certificate) {
        raise(ErrorKind::invalid, "bad_tls", "client certificates are required but there is no CA to verify them");
    }
    return context;
}

TlsContext make_client_context(const ClientTls& tls) {
    static SharedContexts shared;
    return shared.get(tls);
}

std::optional<std::string> peer_common_name(SSL* ssl) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl), &X509_free);
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
    const auto* subject = X509_get_subject_name(certificate.get());
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) return std::nullopt;
    unsigned char* text = nullptr;
    const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (length < 0) return std::nullopt;
    std::string out(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
    return out;
}

bool is_tls_refusal(const boost::system::error_code& error) {
    if (error.category() != asio::error::get_ssl_category()) return false;
    return ERR_GET_REASON(static_cast<unsigned long>(error.value())) != SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

}  // namespace toygres::http
