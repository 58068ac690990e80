#include "base/file.hpp"
#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

http::Response no_instances(const http::Request&) { return json({{"instances", Json::array()}}); }

std::string sent_token(const FakeServer& server) {
    return std::string(server.requests().back().headers.get("Authorization"));
}

// The state directory of a server that `toygres up` has started.
struct LocalState : Directory {
    explicit LocalState(const std::string& url) {
        value_or_raise(write_file_atomically(path + "/token", "tgr_local\n", 0600));
        value_or_raise(write_file_atomically(
            path + "/cli.json",
            Json{{"api_url", url}, {"port", 1}, {"token_file", path + "/token"}, {"kubeconfig", "k"}}.dump()));
    }
};

}  // namespace

TEST_CASE("settings: the state directory of `toygres up` is enough") {
    FakeServer server(no_instances);
    LocalState state(server.url());
    CHECK(run_command({"list", "--state-dir", state.path}).code == 0);
    CHECK(sent_token(server) == "Bearer tgr_local");
    Environment environment({{"TOYGRES_STATE_DIR", state.path}});
    CHECK(run_command({"list"}).code == 0);
}

TEST_CASE("settings: a flag wins over the environment, and that over the state directory") {
    FakeServer server(no_instances);
    LocalState state("http://127.0.0.1:1");
    Environment environment({{"TOYGRES_STATE_DIR", state.path},
                             {"TOYGRES_API_URL", server.url() + "/"},
                             {"TOYGRES_API_TOKEN", "tgr_environment"}});
    CHECK(run_command({"list"}).code == 0);
    CHECK(sent_token(server) == "Bearer tgr_environment");
    CHECK(run_command({"list", "--token", "tgr_flag"}).code == 0);
    CHECK(sent_token(server) == "Bearer tgr_flag");
    CHECK(run_command({"list", "--api-url", "http://127.0.0.1:1"}).code == 1);
}

TEST_CASE("settings: the token of a state directory goes to its own server only") {
    FakeServer server(no_instances);
    LocalState state("http://127.0.0.1:1");
    CHECK(run_command({"list", "--state-dir", state.path, "--api-url", server.url()}).code == 0);
    CHECK(sent_token(server).empty());
}

TEST_CASE("settings: a server that does not run is told with what to do") {
    Directory empty;
    const auto outcome = run_command({"list", "--state-dir", empty.path, "--api-url", "http://127.0.0.1:1"});
    CHECK(outcome.code == 1);
    CHECK(outcome.err ==
          "toygres: cannot reach http://127.0.0.1:1: Connection refused; is the server running? start it with: toygres "
          "up\n");
}

TEST_CASE("settings: what is no toygres server, and a refused token, are told as such") {
    FakeServer other([](const http::Request&) { return http::Response{200, {}, "<html>"}; });
    CHECK(run_command({"list", "--api-url", other.url()}).code != 0);
    FakeServer nginx([](const http::Request&) { return http::Response{404, {}, "<html>"}; });
    CHECK(run_command({"list", "--api-url", nginx.url()}).err.contains("is this a toygres server?"));
    FakeServer strict([](const http::Request&) { return refusal(401, "unauthenticated", "this needs a token"); });
    const auto outcome = run_command({"list", "--api-url", strict.url()});
    CHECK(outcome.code == 1);
    CHECK(outcome.err.contains("--token-file"));
}
