#include "kube/credentials.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

constexpr std::chrono::seconds exec_timeout{60};
// As client-go: a projected token lives for an hour, so a minute is soon enough.
constexpr std::chrono::seconds token_file_max_age{60};
constexpr std::chrono::seconds expiry_margin{10};

Error unavailable(std::string message) { return {ErrorKind::internal, "credentials_unavailable", std::move(message)}; }

std::string last_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const auto at = text.rfind('\n');
    return at == std::string::npos ? text : text.substr(at + 1);
}

std::string trimmed(std::string text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    return text;
}

}  // namespace

Result<ExecGrant> parse_exec_credential(std::string_view text, const std::string& api_version) {
    const auto bad = [](std::string what) {
        return std::unexpected(Error{ErrorKind::invalid, "bad_exec_credential", std::move(what)});
    };
    const auto json = parse_json(text);
    if (!json) return bad("the plugin's output is not JSON");
    const auto at = [&](const char* where) {
        const Json::json_pointer pointer(where);
        if (!json->contains(pointer) || !(*json)[pointer].is_string()) return std::string();
        return (*json)[pointer].get<std::string>();
    };
    if (!json->is_object() || at("/kind") != "ExecCredential")
        return bad("the plugin's output is not an ExecCredential");
    if (at("/apiVersion") != api_version)
        return bad(fmt::format("the plugin answered in {}, not in {}", at("/apiVersion"), api_version));
    ExecGrant grant{
        Secret(at("/status/token")), at("/status/clientCertificateData"), Secret(at("/status/clientKeyData")), {}};
    if (grant.token.empty() && grant.certificate_pem.empty())
        return bad("the plugin gave neither a token nor a certificate");
    if (grant.certificate_pem.empty() != grant.private_key_pem.empty())
        return bad("the plugin gave a certificate without its key, or the other way round");
    if (const auto expiry = at("/status/expirationTimestamp"); !expiry.empty()) {
        grant.expires_at = parse_rfc3339(expiry);
        if (!grant.expires_at) return bad(fmt::format("status.expirationTimestamp is not a time: {}", expiry));
    }
    return grant;
}

asio::awaitable<Result<Secret>> Credentials::token() {
    if (access_.exec) co_return co_await token_from_exec();
    if (!access_.token_file.empty()) co_return token_from_file();
    co_return access_.token;
}

bool Credentials::refused() {
    if (access_.exec) {
        grant_.reset();
        return true;
    }
    if (!access_.token_file.empty()) {
        file_read_at_.reset();
        return true;
    }
    return false;
}

Result<Secret> Credentials::token_from_file() {
    const auto time = std::chrono::steady_clock::now();
    if (!file_read_at_ || time - *file_read_at_ > token_file_max_age) {
        const auto text = read_file(access_.token_file);
        if (!text) return std::unexpected(unavailable(text.error().message));
        file_token_ = Secret(trimmed(*text));
        file_read_at_ = time;
    }
    return file_token_;
}

asio::awaitable<Result<Secret>> Credentials::token_from_exec() {
    while (running_) co_await ended_.wait();  // one run serves all that ask meanwhile
    if (grant_ && (!grant_->expires_at || now() + expiry_margin < *grant_->expires_at)) co_return grant_->token;
    running_ = true;
    auto token = co_await run_plugin();
    running_ = false;
    ended_.notify();
    co_return token;
}

asio::awaitable<Result<Secret>> Credentials::run_plugin() {
    const auto& plugin = *access_.exec;
    Json spec = {{"interactive", false}};
    if (plugin.provide_cluster_info)
        spec["cluster"] = {{"server", access_.server},
                           {"tls-server-name", access_.tls.server_name},
                           {"insecure-skip-tls-verify", !access_.tls.verify},
                           {"certificate-authority-data", base64_encode(access_.tls.ca_pem)}};
    const Json info = {{"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", spec}};
    Command command{plugin.argv, plugin.env};
    command.env["KUBERNETES_EXEC_INFO"] = info.dump();
    const auto done = co_await run_command(std::move(command), {}, exec_timeout);
    const auto hint = plugin.install_hint.empty() ? std::string() : fmt::format("; {}", trimmed(plugin.install_hint));
    if (!done)
        co_return std::unexpected(unavailable(fmt::format("{}: {}{}", access_.source, done.error().message, hint)));
    if (!done->status.ok())
        co_return std::unexpected(
            unavailable(fmt::format("{}: {} ended with {}: {}", access_.source, plugin.argv.front(),
                                    to_string(done->status), last_line(done->errors))));
    auto grant = parse_exec_credential(done->output, plugin.api_version);
    if (!grant)
        co_return std::unexpected(
            unavailable(fmt::format("{}: {}: {}", access_.source, plugin.argv.front(), grant.error().message)));
    grant_ = *std::move(grant);
    co_return grant_->token;
}

}  // namespace toygres::kube
