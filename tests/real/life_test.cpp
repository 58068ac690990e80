// What a user does, against a toygres that runs inside the cluster.
#include "e2e/scenario.hpp"
#include "real/installed_stack.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

// Of the instance "life"; other cases have theirs.
Strings of_life(Strings names) {
    std::erase_if(names, [](const std::string& name) { return !name.contains("life-"); });
    return names;
}

}  // namespace

TEST_CASE("in the cluster: create with a standby, connect verified, write, look, delete", "[real]") {
    auto& stack = installed_stack();
    const auto made = stack.cli("create life --wait");
    INFO(made.output);
    REQUIRE(made.code == 0);
    CHECK(stack.cli("list").output.contains("life"));
    CHECK(parse_json(stack.cli("get life -o json").output).value().at("state") == "running");
    CHECK(stack.cli("connect life --print").output.contains("sslmode=verify-full"));
    const auto written = stack.cli(
        "connect life -- -Atc 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (40), (2); SELECT sum(n) FROM kept' "
        "-c 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'");
    INFO(written.output);
    CHECK(written.output.contains("42\nt\n"));
    const auto proven = stack.cli("replication verify life");
    INFO(proven.output);
    CHECK(proven.code == 0);
    CHECK(stack.cli("events life").output.contains("creating -> running"));
    CHECK(stack.cli("logs life").output.contains("ready to accept connections"));
    CHECK(stack.cli("get absent").code == 3);
    const auto gone = stack.cli("delete life --yes --wait");
    INFO(gone.output);
    CHECK(gone.code == 0);
    CHECK(of_life(stack.objects()) == Strings());
    CHECK(eventually([&] { return of_life(stack.volumes()).empty(); }));
    CHECK(stack.broken_invariants() == "");
}

TEST_CASE("in the cluster: the primary's pod is deleted by force, which kubelet learns last; nothing is lost",
          "[real]") {
    Scene s;
    s.ledger.forget_gaps();
    installed_stack().kubectl(fmt::format("delete pod {}-0 --grace-period=0 --force", s.primary));
    CHECK(s.ledger.goes_on(50));
    WARN("nothing was acknowledged for " << s.ledger.longest_gap().count() << " ms at most");
    s.check_end_after_one_at_most();
}

TEST_CASE("in the cluster: no password, key or token is in the CMS, a log, a pod or a ConfigMap", "[real]") {
    auto& stack = installed_stack();
    const Replicated db(stack, "secretive");
    const std::vector secrets{
        stack.secret("toygres-installation", "seal-key"), stack.secret("toygres-installation", "api-token"),
        stack.secret("toygres-installation", "database-password"), db.secret(db.k8s_name() + "-superuser", "password"),
        db.secret(db.k8s_name() + "-replication", "password")};
    const auto look = [&](const std::string& where, const std::string& text) {
        INFO(where);
        CHECK_FALSE(text.empty());
        for (const auto& secret : secrets) CHECK_FALSE(text.contains(secret));
    };
    look("CMS",
         stack.kubectl("exec toygres-cms-0 -c postgres -- sh -c 'pg_dump -h /run/postgresql -U toygres postgres || "
                       "PGPASSFILE=/dev/null PGPASSWORD=$(cat /run/toygres/password) pg_dump -h localhost -U "
                       "toygres postgres'"));
    look("pods", stack.kubectl("get pods,statefulsets,deployments,configmaps -o yaml"));
    for (const auto& server : stack.servers()) look(server, stack.kubectl("logs " + server));
    for (const auto& member : db.record().at("members").get<Strings>())
        look(member, stack.kubectl(fmt::format("logs {}-0 -c postgres", member)));
    CHECK(stack.wait_operation(stack.remove("secretive")).at("state") == "succeeded");
}
