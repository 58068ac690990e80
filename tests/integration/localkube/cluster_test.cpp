// The cluster as its own process, used through kubectl as a user does.
#include "localkube/cluster.hpp"

#include "base/file.hpp"
#include "localkube/service_account_tokens.hpp"
#include "node_fixture.hpp"
#include "support/kubectl.hpp"

#include <csignal>
#include <cstdlib>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace toygres;
using namespace toygres::test;

namespace {

std::string own_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

class ClusterProcess {
  public:
    explicit ClusterProcess(std::string state_dir) : state_dir_(std::move(state_dir)) { start(); }
    ~ClusterProcess() {
        kill();
        (void)end_cluster(state_dir_, true);
    }
    ClusterProcess(const ClusterProcess&) = delete;
    ClusterProcess& operator=(const ClusterProcess&) = delete;

    void start() {
        const auto program = own_program();
        child_ = ::fork();
        if (child_ == 0) {
            ::execl(program.c_str(), program.c_str(), "cluster", state_dir_.c_str(), nullptr);
            ::_exit(127);
        }
        until("the API answers", [&] { return kubectl("get --raw /readyz").second == 0; });
    }
    void kill() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = -1;
    }
    int wait() {
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    std::string kubectl_command() const {
        return kubectl_program() + " --kubeconfig " + state_dir_ + "/kubeconfig --cache-dir " + state_dir_ +
               "/kubectl-cache";
    }
    std::pair<std::string, int> kubectl(const std::string& arguments) const {
        const auto command = kubectl_command() + " " + arguments + " 2>&1";
        std::FILE* pipe = ::popen(command.c_str(), "r");
        std::string out;
        for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
        const int status = ::pclose(pipe);
        return {out, WEXITSTATUS(status)};
    }
    void must(const std::string& arguments) const {
        const auto [out, code] = kubectl(arguments);
        INFO(out);
        REQUIRE(code == 0);
    }

    static void until(const std::string& what, const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain for " << what);
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }

    pid_t child_ = -1;
    std::string state_dir_;
};

void write_manifest(const std::string& path, const std::string& text) { REQUIRE(write_file_atomically(path, text)); }

constexpr const char* pod_manifest = R"(
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "echo hello; trap 'exit 0' TERM; while :; do sleep 0.05; done"]
)";

}  // namespace

TEST_CASE("cluster: kubectl runs a pod, sees its log, works inside it, and it outlives a kill of the cluster") {
    StateDirectory state;
    ClusterProcess cluster(state.path);
    CHECK((std::filesystem::status(state.path + "/kubeconfig").permissions() & std::filesystem::perms::group_read) ==
          std::filesystem::perms::none);
    write_manifest(state.path + "/pod.yaml", pod_manifest);
    cluster.must("apply -f " + state.path + "/pod.yaml");
    cluster.must("wait --for=condition=Ready pod/a --timeout=60s");
    ClusterProcess::until("its log", [&] { return cluster.kubectl("logs a").first == "hello\n"; });
    CHECK(cluster.kubectl("exec a -- sh -c 'echo inside; exit 3'").first.starts_with("inside\n"));
    CHECK(cluster.kubectl("exec a -- sh -c 'exit 3'").second == 3);
    const auto kubeconfig = read_file(state.path + "/kubeconfig").value();
    const auto uid = cluster.kubectl("get pod a -o jsonpath={.status.containerStatuses[0].containerID}").first;

    cluster.kill();
    CHECK(!running_cluster(state.path));
    cluster.start();
    CHECK(read_file(state.path + "/kubeconfig").value() == kubeconfig);
    cluster.must("wait --for=condition=Ready pod/a --timeout=60s");
    CHECK(cluster.kubectl("get pod a -o jsonpath={.status.containerStatuses[0].containerID}").first == uid);
    CHECK(cluster.kubectl("exec a -- echo again").first == "again\n");
    cluster.must("delete pod a");
    CHECK(cluster.kubectl("get pods").first.starts_with("No resources found in toygres namespace."));
}

TEST_CASE("cluster: commands in a pod, over every transport that kubectl knows") {
    StateDirectory state;
    ClusterProcess cluster(state.path);
    write_manifest(state.path + "/pod.yaml", pod_manifest);
    cluster.must("apply -f " + state.path + "/pod.yaml");
    cluster.must("wait --for=condition=Ready pod/a --timeout=60s");
    const auto at = [&](const std::string& name) { return state.path + "/" + name; };
    std::string large;
    while (large.size() < 4'000'000) large += "line " + std::to_string(large.size()) + " of what comes back unharmed\n";
    write_manifest(at("large"), large);
    for (const auto& transport : exec_transports()) {
        INFO(transport);
        const auto shell = [&](const std::string& rest) {
            return WEXITSTATUS(std::system((transport + " " + cluster.kubectl_command() + " exec " + rest).c_str()));
        };
        CHECK(shell("a -- sh -c 'echo out; echo err >&2; exit 3' >" + at("out") + " 2>" + at("err")) == 3);
        CHECK(read_file(at("out")).value() == "out\n");
        CHECK(read_file(at("err")).value() == "err\ncommand terminated with exit code 3\n");
        CHECK(shell("-i a -- cat <" + at("large") + " >" + at("out")) == 0);
        CHECK(read_file(at("out")).value() == large);
        CHECK(shell("-i a -- wc -c <" + at("large") + " >" + at("out")) == 0);
        CHECK(read_file(at("out")).value() == std::to_string(large.size()) + "\n");
        CHECK(shell("a -- head -c 4000000 /dev/zero >" + at("out")) == 0);
        CHECK(read_file(at("out")).value() == std::string(4'000'000, '\0'));
        CHECK(shell("a -- sh -c 'yes & head -c 4000000 /dev/zero' | tr -d 'y\\n' >" + at("out")) == 0);
        CHECK(read_file(at("out")).value() == std::string(4'000'000, '\0'));
        // What stays behind in the background holds neither the command nor its client up.
        CHECK(shell("-i a -- sh -c 'sleep 600 & echo left' <" + at("large") + " >" + at("out")) == 0);
        CHECK(read_file(at("out")).value() == "left\n");
        const auto typed = "stty cols 101 rows 43; " + transport + " " + cluster.kubectl_command() +
                           " exec -it a -- sh -c \"test -t 1 && echo terminal; until stty size | grep -x \\\"43 "
                           "101\\\"; do :; done; exit 4\"";
        CHECK(WEXITSTATUS(
                  std::system(("script -qec '" + typed + "' /dev/null >" + at("out") + " </dev/null").c_str())) == 4);
        const auto screen = read_file(at("out")).value();
        INFO(screen);
        CHECK(screen.find("terminal\r\n") != std::string::npos);
        CHECK(screen.find("43 101\r\n") != std::string::npos);
    }
    cluster.must("delete pod a");
}

TEST_CASE("cluster: a directory has one process; down ends the pods, SIGTERM alone does not") {
    StateDirectory state;
    ClusterProcess cluster(state.path);
    asio::io_context io;
    CHECK_THROWS_AS(Cluster(io, ClusterOptions{.state_dir = state.path}), ErrorException);
    write_manifest(state.path + "/pod.yaml", pod_manifest);
    cluster.must("apply -f " + state.path + "/pod.yaml");
    cluster.must("wait --for=condition=Ready pod/a --timeout=60s");
    const auto pod = std::filesystem::directory_iterator(state.path + "/pods")->path().string();
    REQUIRE(end_cluster(state.path, false));
    CHECK(cluster.wait() == 0);
    CHECK(pod_runs(pod));
    cluster.start();
    REQUIRE(end_cluster(state.path, true));
    CHECK(cluster.wait() == 0);
    CHECK(!pod_runs(pod));
}

TEST_CASE("cluster: a pod's token lets it do what its role allows, and nothing else") {
    StateDirectory state;
    ClusterProcess cluster(state.path);
    write_manifest(state.path + "/all.yaml", R"(
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: seen}
data: {k: v}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [configmaps], resourceNames: [seen], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: toygres}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  serviceAccountName: reader
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    command: [sleep, "600"]
)");
    cluster.must("apply -f " + state.path + "/all.yaml");
    cluster.must("wait --for=condition=Ready pod/a --timeout=60s");
    const std::string ask =
        "exec a -- sh -c 'D=/var/run/secrets/kubernetes.io/serviceaccount; curl -s -o /dev/null -w %{http_code} "
        "--cacert "
        "$D/ca.crt -H \"Authorization: Bearer $(cat $D/token)\" "
        "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat $D/namespace)/";
    CHECK(cluster.kubectl(ask + "configmaps/seen'").first == "200");
    CHECK(cluster.kubectl(ask + "configmaps/other'").first == "403");
    CHECK(cluster.kubectl(ask + "secrets'").first == "403");
    cluster.must("delete pod a");
}

TEST_CASE("service account tokens: only what this key signed is let in") {
    const ServiceAccountTokens ours(Secret("key")), theirs(Secret("other"));
    const auto token = ours.mint("n", "a");
    CHECK(ours.mint("n", "a") == token);
    CHECK(ours.verify(token)->ns == "n");
    CHECK(ours.verify(token)->name == "a");
    CHECK(!theirs.verify(token));
    CHECK(!ours.verify(token.substr(0, token.size() - 1)));
    CHECK(!ours.verify("a.b.c"));
    CHECK(!ours.verify(""));
}
