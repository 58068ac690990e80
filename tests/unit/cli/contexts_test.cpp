#include "base/file.hpp"
#include "harness.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::test;

namespace {

namespace fs = std::filesystem;

// A user who has no configuration yet.
struct Home : Directory {
    std::string config = path + "/sub/config.yaml";
    Environment environment{{{"TOYGRES_CONFIG", config}, {"HOME", path}}};
};

http::Response answer(const http::Request& request) {
    if (request.target == "/version") return json({{"version", "9.9"}});
    if (request.headers.get("Authorization") == "Bearer tgr_wrong")
        return refusal(401, "unauthenticated", "the token is not valid");
    return json({{"instances", Json::array()}});
}

std::string sent_token(const FakeServer& server) {
    return std::string(server.requests().back().headers.get("Authorization"));
}

}  // namespace

TEST_CASE("login: a token that works is kept for its owner alone, and used from then on") {
    FakeServer server(answer);
    const Home home;
    const auto outcome = run_command({"login", server.url() + "/", "--name", "prod", "--token-stdin"}, "tgr_prod\n");
    CHECK(outcome.err == "");
    CHECK(outcome.code == 0);
    CHECK(outcome.out.contains("as context prod"));
    CHECK((fs::status(home.config).permissions() & fs::perms::all) == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(run_command({"list"}).code == 0);
    CHECK(sent_token(server) == "Bearer tgr_prod");
}

TEST_CASE("login: a token that is refused is not kept") {
    FakeServer server(answer);
    const Home home;
    const auto outcome = run_command({"login", server.url(), "--token-stdin"}, "tgr_wrong\n");
    CHECK(outcome.code == 1);
    CHECK(outcome.err.contains("the token is not valid"));
    CHECK_FALSE(fs::exists(home.config));
    CHECK(run_command({"login", server.url()}).err.contains("--token-stdin"));
    CHECK(run_command({"login", "toygres.example", "--token-stdin"}, "t\n").code == 2);
    CHECK_FALSE(fs::exists(home.config));
}

TEST_CASE("contexts: one of several is chosen, listed and forgotten") {
    FakeServer first(answer);
    FakeServer second(answer);
    const Home home;
    REQUIRE(run_command({"login", first.url(), "--name", "one", "--token-stdin"}, "tgr_one\n").code == 0);
    REQUIRE(run_command({"login", second.url(), "--name", "two", "--token-stdin"}, "tgr_two\n").code == 0);
    CHECK(run_command({"list"}).code == 0);
    CHECK(sent_token(second) == "Bearer tgr_two");

    CHECK(run_command({"list", "--context", "one"}).code == 0);
    CHECK(sent_token(first) == "Bearer tgr_one");
    CHECK(run_command({"context", "use", "one"}).out == "Now one: " + first.url() + "\n");
    CHECK(run_command({"list"}).code == 0);
    CHECK(first.requests().size() == 4);

    CHECK(run_command({"context", "list", "-o", "name"}).out == "one\ntwo\n");
    const auto listed = Json::parse(run_command({"context", "list", "-o", "json"}).out).at("contexts");
    CHECK(listed.at(0) == Json{{"name", "one"}, {"api_url", first.url()}, {"current", true}});
    CHECK(run_command({"context", "delete", "one"}).code == 0);
    CHECK(run_command({"context", "list", "-o", "name"}).out == "two\n");
    const auto gone = run_command({"context", "use", "one"});
    CHECK(gone.code == 3);
    CHECK(gone.err.contains("only two"));
    CHECK(run_command({"list", "--context", "one"}).err.contains("toygres context list"));
}

TEST_CASE("contexts: a token goes to its own server only, and a state directory that is asked for wins") {
    FakeServer server(answer);
    FakeServer other(answer);
    const Home home;
    REQUIRE(run_command({"login", server.url(), "--token-stdin"}, "tgr_mine\n").code == 0);
    CHECK(run_command({"list", "--api-url", other.url()}).code == 0);
    CHECK(sent_token(other).empty());
    value_or_raise(write_file_atomically(home.path + "/token", "tgr_local", 0600));
    value_or_raise(write_file_atomically(home.path + "/cli.json",
                                         Json{{"api_url", other.url()}, {"token_file", home.path + "/token"}}.dump()));
    CHECK(run_command({"list", "--state-dir", home.path}).code == 0);
    CHECK(sent_token(other) == "Bearer tgr_local");
}

TEST_CASE("contexts: a file that others may read, or that is damaged, is told with what to do") {
    const Home home;
    fs::create_directories(fs::path(home.config).parent_path());
    value_or_raise(write_file_atomically(home.config, "current: x\ncontexts: []\n", 0644));
    const auto readable = run_command({"list"});
    CHECK(readable.code == 1);
    CHECK(readable.err.contains("chmod 600 " + home.config));
    value_or_raise(write_file_atomically(home.config, "- [", 0600));
    const auto damaged = run_command({"context", "list"});
    CHECK(damaged.code == 2);
    CHECK(damaged.err.contains("log in anew"));
}
