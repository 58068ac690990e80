#include "app/installation.hpp"

#include "base/asio.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/seal_keys.hpp"
#include "kube/client.hpp"
#include "kube/inspect.hpp"
#include "pg/conninfo.hpp"

#include <fmt/format.h>

namespace toygres::app {
namespace {

constexpr auto seal_key = installation_seal_key;
constexpr auto api_token = "api-token";
constexpr auto database_password = "database-password";

Json fresh(const std::string& ns, const std::string& name) {
    return {{"apiVersion", "v1"},
            {"kind", "Secret"},
            {"metadata",
             {{"name", name},
              {"namespace", ns},
              {"labels",
               {{"app.kubernetes.io/name", "toygres"},
                {"app.kubernetes.io/component", "control-plane"},
                {"app.kubernetes.io/part-of", "toygres"}}}}},
            {"type", "Opaque"},
            {"stringData",
             {{seal_key, random_hex(64)},
              {api_token, "tgr_" + base64url_encode(random_bytes(32))},
              {database_password, random_hex(48)}}}};
}

asio::awaitable<Result<Json>> get_or_make(kube::Client& kube, std::string ns, std::string name) {
    const auto ref = kube::resource("Secret", ns, name);
    auto present = co_await kube.get(ref);
    if (present || present.error().kind != ErrorKind::not_found) co_return present;
    auto made = co_await kube.create(fresh(ns, name));
    if (made || made.error().code != "kube_already_exists") co_return made;
    co_return co_await kube.get(ref);
}

Result<Installation> read(const Json& secret) {
    const auto key = kube::secret_value(secret, seal_key);
    if (!key) return std::unexpected(key.error());
    auto token = kube::secret_value(secret, api_token);
    if (!token) return std::unexpected(token.error());
    auto password = kube::secret_value(secret, database_password);
    if (!password) return std::unexpected(password.error());
    auto keys = parse_seal_keys(key->reveal());
    if (!keys)
        return std::unexpected(Error{
            ErrorKind::invalid, "bad_seal_key",
            fmt::format("Secret {}, {}: {}", kube::text_at(secret, "/metadata/name"), seal_key, keys.error().message)});
    return Installation{*std::move(keys), *std::move(token), *std::move(password)};
}

}  // namespace

Result<Installation> find_installation(const kube::Access& access, const std::string& name) {
    asio::io_context io;
    kube::Client kube(io.get_executor(), access);
    Result<Json> secret;
    asio::co_spawn(io, get_or_make(kube, access.default_ns, name), [&](std::exception_ptr e, Result<Json> result) {
        if (e) std::rethrow_exception(e);
        secret = std::move(result);
    });
    io.run();
    if (!secret) return std::unexpected(secret.error());
    return read(*secret);
}

Result<std::string> with_password_file(const std::string& conninfo, const std::string& path) {
    const auto text = read_file(path);
    if (!text) return std::unexpected(text.error());
    return pg::with_password(conninfo, Secret(text->substr(0, text->find_first_of("\r\n"))));
}

Result<std::string> reach_database(const std::string& conninfo, const std::string& password_file,
                                   const std::string& secret) {
    if (!password_file.empty()) return with_password_file(conninfo, password_file);
    if (secret.empty()) return conninfo;
    const auto access = kube::find_access("", "");
    if (!access) return std::unexpected(access.error());
    const auto installation = find_installation(*access, secret);
    if (!installation) return std::unexpected(installation.error());
    return pg::with_password(conninfo, installation->database_password);
}

}  // namespace toygres::app
