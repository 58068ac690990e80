#include "base/process.hpp"
#include "harness.hpp"
#include "support/run.hpp"

using namespace toygres;
using namespace toygres::test;

TEST_CASE("usage: wrong usage is exit code 2 and says what is wrong") {
    CHECK(run_command({}).code == 2);
    CHECK(run_command({"frobnicate"}).code == 2);
    CHECK(run_command({"create"}).code == 2);
    CHECK(run_command({"create", "mydb", "--timeout", "soon"}).err.contains("30s"));
    CHECK(run_command({"list", "-o", "xml"}).code == 2);
    CHECK(run_command({"orchestrations"}).code == 2);
    CHECK(run_command({"server"}).err.contains("--database-url"));
    CHECK(run_command({"create", "mydb", "--password", "x", "--password-stdin"}).code == 2);
    CHECK(run_command({"create", "mydb", "--tag", "novalue", "--api-url", "http://127.0.0.1:1"}).code == 2);
}

TEST_CASE("usage: help is exit code 0 and names the verbs") {
    const auto help = run_command({"--help"});
    CHECK(help.code == 0);
    for (const auto* verb : {"create",          "list",       "get",
                             "delete",          "connect",    "logs",
                             "events",          "operation",  "orchestrations",
                             "schedules",       "up",         "down",
                             "server",          "migrate",    "manifests",
                             "token",           "audit",      "set-owner",
                             "rotate-password", "rotate-key", "version",
                             "login",           "context",    "doctor",
                             "log-level",       "man",        "drift",
                             "stats",           "tag"})
        CHECK(help.out.contains(verb));
    CHECK_FALSE(help.out.contains("\n  cluster "));
    CHECK(run_command({"create", "--help"}).out.contains("--password-stdin"));
}

TEST_CASE("local verbs: get their options") {
    cli::Launcher launcher;
    std::optional<cli::ServerOptions> server;
    launcher.server = [&](const cli::ServerOptions& o) {
        server = o;
        return 7;
    };
    std::optional<cli::UpOptions> up;
    launcher.up = [&](const cli::UpOptions& o) {
        up = o;
        return 0;
    };
    std::optional<cli::TokenOptions> token;
    launcher.token = [&](const cli::TokenOptions& o) {
        token = o;
        return 0;
    };
    std::optional<cli::ClusterOptions> cluster;
    launcher.cluster = [&](const cli::ClusterOptions& o) {
        cluster = o;
        return 0;
    };

    CHECK(run_command({"server", "--database-url", "postgresql://x", "--listen", "[::1]:0", "--seal-key-file", "k",
                       "--postgres-versions", "14,15", "--no-migrate"},
                      "", false, launcher)
              .code == 7);
    REQUIRE(server);
    CHECK(server->listen_address == "::1");
    CHECK(server->listen_port == 0);
    CHECK(server->postgres_versions == std::vector<std::string>{"14", "15"});
    CHECK(server->ns == "toygres");
    CHECK_FALSE(server->migrate);
    CHECK(
        run_command({"server", "--database-url", "x", "--listen", "8080", "--seal-key-file", "k"}, "", false, launcher)
            .code == 2);

    Environment environment({{"TOYGRES_STATE_DIR", "/somewhere"}, {"TOYGRES_DATABASE_URL", "postgresql://y"}});
    CHECK(run_command({"up", "--port", "8090"}, "", false, launcher).code == 0);
    REQUIRE(up);
    CHECK(up->state_dir == "/somewhere");
    CHECK(up->port == 8090);
    CHECK(run_command({"token", "create", "ci", "--scope", "read", "--expires", "30d"}, "", false, launcher).code == 0);
    REQUIRE(token);
    CHECK(token->action == cli::TokenOptions::Action::create);
    CHECK(token->name == "ci");
    CHECK(token->role == "viewer");
    CHECK(token->expires_in == 24h * 30);
    CHECK(token->database_url == "postgresql://y");
    CHECK(run_command({"cluster", "--state-dir", "/there", "--agent", "/agent"}, "", false, launcher).code == 0);
    REQUIRE(cluster);
    CHECK(cluster->state_dir == "/there");
    CHECK(run_command({"down"}, "", false, launcher).code == 2);
}

TEST_CASE("server: the sealing key is in a file or in the installation's Secret") {
    cli::Launcher launcher;
    std::optional<cli::ServerOptions> server;
    launcher.server = [&](const cli::ServerOptions& o) {
        server = o;
        return 0;
    };
    const auto neither = run_command({"server", "--database-url", "x"}, "", false, launcher);
    CHECK(neither.code == 2);
    CHECK(neither.err.contains("--seal-key-file"));
    CHECK(neither.err.contains("--installation-secret"));
    CHECK(run_command({"server", "--database-url", "x", "--installation-secret", "s", "--stop-delay", "5s"}, "", false,
                      launcher)
              .code == 0);
    REQUIRE(server);
    CHECK(server->installation_secret == "s");
    CHECK(server->seal_key_file.empty());
    CHECK(server->stop_delay == 5s);
    Environment environment({{"TOYGRES_INSTALLATION_SECRET", "of-the-pod"}, {"TOYGRES_AGENT_IMAGE", "agent:7"}});
    CHECK(run_command({"server", "--database-url", "x"}, "", false, launcher).code == 0);
    CHECK(server->installation_secret == "of-the-pod");
    CHECK(server->agent_image == "agent:7");
}

TEST_CASE("manifests: get their options; what excludes another is refused") {
    cli::Launcher launcher;
    std::optional<cli::ManifestsOptions> manifests;
    launcher.manifests = [&](const cli::ManifestsOptions& o) {
        manifests = o;
        return 0;
    };
    CHECK(run_command({"manifests"}, "", false, launcher).code == 0);
    REQUIRE(manifests);
    CHECK(manifests->ns == "toygres");
    CHECK(manifests->replicas == 1);
    CHECK(manifests->with_namespace);
    CHECK(manifests->database_url_secret.empty());
    CHECK(run_command({"manifests", "--ha", "-n", "db", "--no-namespace", "--egress-port", "6432,80"}, "", false,
                      launcher)
              .code == 0);
    CHECK(manifests->replicas == 2);
    CHECK(manifests->ns == "db");
    CHECK_FALSE(manifests->with_namespace);
    CHECK(manifests->egress_ports == std::vector{6432, 80});
    CHECK(run_command({"manifests", "--ha", "--replicas", "3"}, "", false, launcher).code == 2);
    CHECK(run_command({"manifests", "--replicas", "0"}, "", false, launcher).code == 2);
    CHECK(
        run_command({"manifests", "--database-url-secret", "s", "--database-storage", "3"}, "", false, launcher).code ==
        2);
}

TEST_CASE("completion: scripts know the verbs and options") {
    const auto bash = run_command({"completion", "bash"});
    CHECK(bash.code == 0);
    CHECK(bash.out.contains("complete -F _toygres toygres"));
    CHECK(bash.out.contains("--password-stdin"));
    CHECK(run_command({"completion", "zsh"}).out.contains("bashcompinit"));
    CHECK(run_command({"completion", "fish"}).out.contains("-a create -d 'Create an instance'"));
}

TEST_CASE("completion: bash completes verbs in verbs, their options and formats") {
    const auto script = run_command({"completion", "bash"}).out;
    const auto completed = [&](const std::string& words) {
        const auto command = fmt::format(
            "{}\nCOMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _toygres; printf '%s\\n' "
            "\"${{COMPREPLY[@]}}\"",
            script, words);
        return value_or_raise(run(toygres::run_command({.argv = {"bash", "-c", command}}, "", 30s))).output;
    };
    CHECK(completed("toygres repl").contains("replication\n"));
    CHECK(completed("toygres replication sw") == "switchover\n");
    CHECK(completed("toygres replication switchover --wait-").contains("--wait-for-sync\n"));
    CHECK(completed("toygres --token t orchestrations sho") == "show\n");
    CHECK(completed("toygres list -o w") == "wide\n");
    CHECK(completed("toygres context ''").contains("use\n"));
    CHECK_FALSE(completed("toygres create --").contains("--history"));
}

TEST_CASE("man page: has every verb and option, and is written in the language of man") {
    const auto page = run_command({"man"});
    CHECK(page.code == 0);
    CHECK(page.out.starts_with(".TH TOYGRES 1"));
    for (const auto* text : {"replication switchover", "orchestrations show", "context use", "doctor"})
        CHECK(page.out.contains(fmt::format("\\fB{}\\fR", text)));
    CHECK(page.out.contains("\\fB\\-\\-database\\-url\\fR"));
    CHECK(page.out.contains("environment: TOYGRES_DATABASE_URL"));
    CHECK(page.out.contains("\\fB\\-\\-seal\\-key\\-file\\fR"));
    CHECK_FALSE(page.out.contains("container-shim"));
    for (const auto* section : {"NAME", "SYNOPSIS", "OPTIONS", "VERBS", "EXIT STATUS", "ENVIRONMENT", "FILES"})
        CHECK(page.out.contains(fmt::format(".SH {}\n", section)));
    // A line that begins with a dot is a request: only those of man(7) are there.
    std::istringstream lines(page.out);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('.')) continue;
        INFO(line);
        CHECK((line.starts_with(".TH ") || line.starts_with(".SH ") || line.starts_with(".SS ") || line == ".TP"));
    }
}

TEST_CASE("down: --purge asks on a terminal") {
    cli::Launcher launcher;
    int runs = 0;
    launcher.down = [&](const cli::DownOptions&) { return ++runs, 0; };
    CHECK(run_command({"down", "--purge"}, "n\n", true, launcher).code == 1);
    CHECK(runs == 0);
    CHECK(run_command({"down", "--purge"}, "y\n", true, launcher).code == 0);
    CHECK(run_command({"down", "--purge", "--yes"}, "", true, launcher).code == 0);
    CHECK(run_command({"down", "--purge"}, "", false, launcher).code == 0);
    CHECK(run_command({"down"}, "", true, launcher).code == 0);
    CHECK(runs == 4);
}
