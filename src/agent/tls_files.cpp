#include "agent/tls_files.hpp"

#include "base/file.hpp"
#include "base/x509.hpp"

namespace toygres::agent {
namespace {

Result<TlsPair> read_pair(const std::string& certificate_path, const std::string& key_path) {
    auto certificate = read_file(certificate_path);
    if (!certificate) return std::unexpected(certificate.error());
    auto key = read_file(key_path);
    if (!key) return std::unexpected(key.error());
    return TlsPair{*std::move(certificate), *std::move(key)};
}

bool matches(const Result<TlsPair>& pair) { return pair && is_key_of(pair->key, pair->certificate); }

}  // namespace

Result<TlsPair> tls_pair(const Options& options, const std::string& directory) {
    auto mounted = read_pair(directory + "/tls.crt", directory + "/tls.key");
    if (matches(mounted)) return mounted;
    if (directory == options.postgres_tls_dir()) {
        auto kept = read_pair(options.private_dir + "/" + server_certificate, options.private_dir + "/" + server_key);
        if (matches(kept)) return kept;
    }
    if (!mounted) return mounted;
    return std::unexpected(Error{ErrorKind::invalid, "certificate_mismatch",
                                 directory + "/tls.key does not belong to the certificate beside it"});
}

}  // namespace toygres::agent
