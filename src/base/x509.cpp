#include "base/x509.hpp"

#include "base/crypto.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace toygres {
namespace {

template <class T, void (*release)(T*)> struct Release {
    void operator()(T* p) const { release(p); }
};
using X509Ptr = std::unique_ptr<X509, Release<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY, EVP_PKEY_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION, X509_EXTENSION_free>>;
using Bio = std::unique_ptr<BIO, Release<BIO, BIO_free_all>>;
using Name = std::unique_ptr<X509_NAME, Release<X509_NAME, X509_NAME_free>>;

// OpenSSL fails on lack of memory and on what our own code passes wrongly.
void require(bool ok, const char* step) {
    if (ok) return;
    ERR_clear_error();
    raise(ErrorKind::internal, "x509_failed", std::string("OpenSSL refused to ") + step);
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

Bio bio_of(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

X509Ptr parse_certificate(const std::string& pem) {
    X509Ptr out(PEM_read_bio_X509(bio_of(pem).get(), nullptr, nullptr, nullptr));
    if (!out) ERR_clear_error();
    return out;
}

Key parse_key(std::string_view pem) {
    // A key under a passphrase is none that can be used; without this, OpenSSL would ask for it on the terminal.
    const auto no_passphrase = [](char*, int, int, void*) { return -1; };
    Key out(PEM_read_bio_PrivateKey(bio_of(pem).get(), nullptr, no_passphrase, nullptr));
    if (!out) ERR_clear_error();
    return out;
}

std::optional<Timestamp> to_timestamp(const ASN1_TIME* time) {
    std::tm fields{};
    if (ASN1_TIME_to_tm(time, &fields) != 1) return std::nullopt;
    return Timestamp(std::chrono::seconds(timegm(&fields)));
}

Key new_key() {
    Key key(EVP_EC_gen("P-256"));
    require(key != nullptr, "make a key");
    return key;
}

CertificatePair to_pair(X509* certificate, EVP_PKEY* key) {
    const Bio out(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_X509(out.get(), certificate) == 1, "write a certificate");
    const Bio secret(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_PKCS8PrivateKey(secret.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
            "write a key");
    return {text_of(out.get()), Secret(text_of(secret.get()))};
}

void set_serial(X509* certificate) {
    auto bytes = random_bytes(16);
    bytes[0] = static_cast<char>((bytes[0] & 0x7f) | 0x40);  // positive, and always of full length
    std::unique_ptr<BIGNUM, Release<BIGNUM, BN_free>> number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
    require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr, "set the serial number");
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    require(extension != nullptr, "make an extension");
    require(X509_add_ext(certificate, extension.get(), -1) == 1, "add an extension");
}

// Names go in as values of their own, never as configuration text, so that a comma in one stays a comma.
void add_alternative_names(X509* certificate, const CertificateRequest& request) {
    std::unique_ptr<GENERAL_NAMES, Release<GENERAL_NAMES, GENERAL_NAMES_free>> names(GENERAL_NAMES_new());
    const auto add = [&](int type, void* value) {
        auto* name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, type, value);
        sk_GENERAL_NAME_push(names.get(), name);
    };
    for (const auto& dns : request.dns_names) {
        auto* value = ASN1_IA5STRING_new();
        ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size()));
        add(GEN_DNS, value);
    }
    for (const auto& ip : request.ip_addresses) {
        auto* value = a2i_IPADDRESS(ip.c_str());
        if (!value) {
            ERR_clear_error();
            raise(ErrorKind::invalid, "bad_certificate_request", "not an IP address: " + ip);
        }
        add(GEN_IPADD, value);
    }
    if (sk_GENERAL_NAME_num(names.get()) > 0)
        require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1, "add the names");
}

// A certificate without extensions and signature, valid from an hour ago.
X509Ptr new_certificate(const std::string& common_name, std::chrono::seconds lifetime, EVP_PKEY* key) {
    X509Ptr out(X509_new());
    require(out != nullptr, "make a certificate");
    X509_set_version(out.get(), X509_VERSION_3);
    set_serial(out.get());
    const auto now_s = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    ASN1_TIME_set(X509_getm_notBefore(out.get()), now_s - 3600);
    ASN1_TIME_set(X509_getm_notAfter(out.get()), now_s + lifetime.count());
    const Name name(X509_NAME_new());
    require(X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(common_name.data()),
                                       static_cast<int>(common_name.size()), -1, 0) == 1,
            "set the subject");
    X509_set_subject_name(out.get(), name.get());
    X509_set_pubkey(out.get(), key);
    return out;
}

}  // namespace

CertificatePair make_ca(const std::string& common_name, std::chrono::seconds lifetime) {
    const auto key = new_key();
    const auto certificate = new_certificate(common_name, lifetime, key.get());
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
    require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "sign");
    return to_pair(certificate.get(), key.get());
}

struct Issuer::Parsed {
    X509Ptr certificate;
    Key key;
};

Issuer::Issuer(const CertificatePair& ca) {
    Parsed parsed{parse_certificate(ca.certificate_pem), parse_key(ca.private_key_pem.reveal())};
    if (!parsed.certificate || !parsed.key || X509_check_private_key(parsed.certificate.get(), parsed.key.get()) != 1) {
        ERR_clear_error();
        raise(ErrorKind::invalid, "bad_ca", "not a CA certificate with its private key");
    }
    parsed_ = std::make_unique<const Parsed>(std::move(parsed));
}

Issuer::~Issuer() = default;

CertificatePair Issuer::issue(const CertificateRequest& request) const {
    auto* const issuer = parsed_->certificate.get();
    const auto key = new_key();
    const auto certificate = new_certificate(request.common_name, request.lifetime, key.get());
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
    add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
    std::string usages = request.for_server ? "serverAuth" : "";
    if (request.for_client) usages += usages.empty() ? "clientAuth" : ",clientAuth";
    if (!usages.empty()) add_extension(certificate.get(), issuer, NID_ext_key_usage, usages);
    add_extension(certificate.get(), issuer, NID_subject_key_identifier, "hash");
    add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid:always");
    add_alternative_names(certificate.get(), request);
    require(X509_sign(certificate.get(), parsed_->key.get(), EVP_sha256()) > 0, "sign");
    return to_pair(certificate.get(), key.get());
}

CertificatePair issue_certificate(const CertificatePair& ca, const CertificateRequest& request) {
    return Issuer(ca).issue(request);
}

Result<Timestamp> certificate_expiry(const std::string& certificate_pem) {
    const auto certificate = Certificate::read(certificate_pem);
    if (!certificate) return std::unexpected(certificate.error());
    return certificate->validity().until;
}

struct Certificate::Parsed {
    X509Ptr certificate;
};

Certificate::Certificate(std::unique_ptr<const Parsed> parsed, Validity validity)
    : parsed_(std::move(parsed)), validity_(validity) {}
Certificate::Certificate(Certificate&&) noexcept = default;
Certificate& Certificate::operator=(Certificate&&) noexcept = default;
Certificate::~Certificate() = default;

Result<Certificate> Certificate::read(const std::string& pem) {
    auto certificate = parse_certificate(pem);
    const auto from = certificate ? to_timestamp(X509_get0_notBefore(certificate.get())) : std::nullopt;
    const auto until = certificate ? to_timestamp(X509_get0_notAfter(certificate.get())) : std::nullopt;
    if (!from || !until) {
        ERR_clear_error();
        return std::unexpected(Error{ErrorKind::invalid, "bad_certificate", "not a certificate in PEM"});
    }
    return Certificate(std::make_unique<const Parsed>(std::move(certificate)), {*from, *until});
}

bool Certificate::has_key(const std::string& private_key_pem) const {
    const auto key = parse_key(private_key_pem);
    const bool matches = key && X509_check_private_key(parsed_->certificate.get(), key.get()) == 1;
    ERR_clear_error();
    return matches;
}

bool Certificate::is_signed_by(const std::string& ca_bundle_pem) const {
    const auto bundle = bio_of(ca_bundle_pem);
    bool is_signed = false;
    while (!is_signed) {
        const X509Ptr ca(PEM_read_bio_X509(bundle.get(), nullptr, nullptr, nullptr));
        if (!ca) break;
        is_signed = X509_check_issued(ca.get(), parsed_->certificate.get()) == X509_V_OK &&
                    X509_verify(parsed_->certificate.get(), X509_get0_pubkey(ca.get())) == 1;
    }
    ERR_clear_error();
    return is_signed;
}

bool Certificate::covers(const std::string& host) const {
    auto* const certificate = parsed_->certificate.get();
    const bool covers =
        X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
        X509_check_host(certificate, host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
    ERR_clear_error();
    return covers;
}

bool is_key_of(const std::string& private_key_pem, const std::string& certificate_pem) {
    const auto certificate = Certificate::read(certificate_pem);
    return certificate && certificate->has_key(private_key_pem);
}

}  // namespace toygres
