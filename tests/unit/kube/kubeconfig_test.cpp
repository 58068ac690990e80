#include "kube/kubeconfig.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "kube/credentials.hpp"
#include "support/catch.hpp"

#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

using namespace toygres;
using namespace toygres::kube;

namespace {

struct Directory {
    Directory() {
        std::string pattern = "/tmp/toygres-kubeconfig-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& content, int mode = 0600) const {
        REQUIRE(write_file_atomically(path + "/" + name, content, static_cast<mode_t>(mode)));
        return path + "/" + name;
    }
    std::string path;
};

std::string config(const std::string& user, const std::string& cluster = "server: https://10.0.0.1:6443") {
    return "apiVersion: v1\nkind: Config\ncurrent-context: one\n"
           "contexts:\n- name: one\n  context: {cluster: c, user: u, namespace: toygres}\n"
           "- name: two\n  context: {cluster: nowhere, user: u}\n"
           "clusters:\n- name: c\n  cluster: {" +
           cluster +
           "}\n"
           "users:\n- name: u\n  user: {" +
           user + "}\n";
}

Result<Secret> token_of(Credentials& credentials, asio::io_context& io) {
    std::optional<Result<Secret>> out;
    asio::co_spawn(io, credentials.token(), [&](std::exception_ptr e, Result<Secret> r) {
        REQUIRE_FALSE(e);
        out = std::move(r);
    });
    io.restart();
    io.run();
    return *out;
}

}  // namespace

TEST_CASE("kubeconfig: a token, a CA by data, a namespace") {
    const Directory d;
    const auto path = d.write(
        "config",
        config("token: abc", "server: 'https://10.0.0.1:6443/', certificate-authority-data: " + base64_encode("PEM")));
    const auto access = load_kubeconfig(path);
    REQUIRE(access);
    CHECK(access->server == "https://10.0.0.1:6443");
    CHECK(access->default_ns == "toygres");
    CHECK(access->token.reveal() == "abc");
    CHECK(access->tls.ca_pem == "PEM");
    CHECK(access->tls.verify);
}

TEST_CASE("kubeconfig: paths inside a file start at its directory") {
    const Directory d;
    d.write("cert", "C");
    d.write("key", "K");
    const auto access =
        load_kubeconfig(d.write("config", config("client-certificate: cert, client-key: key, tokenFile: t",
                                                 "server: https://h, insecure-skip-tls-verify: true")));
    REQUIRE(access);
    CHECK(access->tls.certificate_pem == "C");
    CHECK(access->tls.private_key_pem == "K");
    CHECK(access->token_file == d.path + "/t");
    CHECK_FALSE(access->tls.verify);
}

TEST_CASE("kubeconfig: errors name the file and the field") {
    const Directory d;
    const auto message = [&](const std::string& text, const std::string& context = {}) {
        const auto access = load_kubeconfig(d.write("config", text), context);
        REQUIRE_FALSE(access);
        CHECK(access.error().code == "bad_kubeconfig");
        return access.error().message;
    };
    const auto file = d.path + "/config: ";
    CHECK(message(config("token: abc", "server: ftp://h")) ==
          file + "clusters[0].cluster.server: is not an http or https URL");
    CHECK(message(config("token: abc", "server: https://h, certificate-authority-data: '%%'")) ==
          file + "clusters[0].cluster.certificate-authority-data: is not base64");
    CHECK(message(config("client-certificate: gone, client-key: gone"))
              .starts_with(file + "users[0].user.client-certificate: "));
    CHECK(message(config("token: 5")) == file + "users[0].user.token: is not a text");
    CHECK(message(config("token: abc"), "two") == file + "contexts[1].context.cluster: there is no cluster nowhere");
    CHECK(message(config("token: abc"), "three") == file + "contexts: there is no context three");
    CHECK(message(config("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"))
              .starts_with(file + "users[0].user.exec.apiVersion: "));
    CHECK(message("a: [\n").starts_with(d.path + "/config:"));
    CHECK(load_kubeconfig(d.path + "/none").error().code == "kubeconfig_not_found");
}

TEST_CASE("kubeconfig: of several files the first that names a thing wins") {
    const Directory d;
    const auto first = d.write("a", "current-context: one\nusers:\n- {name: u, user: {token: first}}\n");
    const auto second = d.write("b", config("token: second"));
    const auto access = load_kubeconfig(first + ":" + d.path + "/none:" + second);
    REQUIRE(access);
    CHECK(access->token.reveal() == "first");
}

TEST_CASE("credentials: a token file is read anew when the server refuses the token") {
    const Directory d;
    asio::io_context io;
    Access access{};
    access.token_file = d.write("token", "old\n");
    Credentials credentials(io.get_executor(), access);
    CHECK(token_of(credentials, io)->reveal() == "old");
    d.write("token", "new\n");
    CHECK(credentials.refused());
    CHECK(token_of(credentials, io)->reveal() == "new");
}

TEST_CASE("credentials: an exec plugin is asked once until its token expires or is refused") {
    const Directory d;
    const auto plugin =
        d.write("plugin",
                "#!/bin/sh\necho x >> \"$(dirname \"$0\")/runs\"\n"
                "case \"$KUBERNETES_EXEC_INFO\" in *'\"interactive\":false'*) ;; *) exit 1;; esac\n"
                "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":"
                "{\"token\":\"'$1$FLAVOUR'\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}}'\n",
                0700);
    const auto path =
        d.write("config", config("exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, "
                                 "args: [tok], env: [{name: FLAVOUR, value: en}], interactiveMode: Never}"));
    const auto access = load_kubeconfig(path);
    REQUIRE(access);
    asio::io_context io;
    Credentials credentials(io.get_executor(), *access);
    const auto runs = [&] { return read_file(d.path + "/runs")->size() / 2; };
    CHECK(token_of(credentials, io)->reveal() == "token");
    CHECK(token_of(credentials, io)->reveal() == "token");
    CHECK(runs() == 1);
    CHECK(credentials.refused());
    CHECK(token_of(credentials, io)->reveal() == "token");
    CHECK(runs() == 2);
}

TEST_CASE("credentials: a plugin that fails is told with its own words and the hint") {
    const Directory d;
    d.write("plugin", "#!/bin/sh\necho 'please log in' >&2\nexit 3\n", 0700);
    const auto access = load_kubeconfig(d.write(
        "config",
        config("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./plugin, installHint: get it}")));
    REQUIRE(access);
    asio::io_context io;
    Credentials credentials(io.get_executor(), *access);
    const auto token = token_of(credentials, io);
    REQUIRE_FALSE(token);
    CHECK(token.error().code == "credentials_unavailable");
    CHECK(token.error().message.ends_with("ended with exit code 3: please log in"));
}

TEST_CASE("credentials: what a plugin answers is checked") {
    const std::string v1 = "client.authentication.k8s.io/v1";
    const auto code = [&](const std::string& text) { return parse_exec_credential(text, v1).error().code; };
    CHECK(code("nonsense") == "bad_exec_credential");
    CHECK(
        code(
            R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"x"}})") ==
        "bad_exec_credential");
    CHECK(code(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}})") ==
          "bad_exec_credential");
    CHECK(code(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":null}})") ==
          "bad_exec_credential");
    const auto grant = parse_exec_credential(
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"c","clientKeyData":"k"}})",
        v1);
    REQUIRE(grant);
    CHECK(grant->token.empty());
}
