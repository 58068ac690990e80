// What outlives the cluster's process, and the same as an ordinary user.
#include "base/file.hpp"
#include "localkube/pod_reaper.hpp"
#include "localkube/process.hpp"
#include "node_fixture.hpp"

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

// A process that runs a node over the directory, killed with the object.
class NodeHost {
  public:
    explicit NodeHost(const std::string& state_dir) {
        const auto program = own_program();
        child_ = ::fork();
        if (child_ == 0) {
            ::execl(program.c_str(), program.c_str(), "node-host", state_dir.c_str(), nullptr);
            ::_exit(127);
        }
    }
    ~NodeHost() { kill(); }
    NodeHost(const NodeHost&) = delete;
    NodeHost& operator=(const NodeHost&) = delete;
    void kill() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = -1;
    }

  private:
    pid_t child_ = -1;
};

void until(const std::string& what, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain for " << what);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// The pod writes into a directory of the host that the test reads.
Object observed_pod(const std::string& shared, const std::string& script) {
    auto pod = shell_pod("a", script);
    pod["spec"]["volumes"] = Object::array({{{"name", "shared"}, {"hostPath", {{"path", shared}}}}});
    main_of(pod)["volumeMounts"] = Object::array({{{"name", "shared"}, {"mountPath", "/shared"}}});
    return pod;
}

struct World {
    StateDirectory state;
    StateDirectory shared;
    ~World() { stop_all_pods(state.path, std::chrono::seconds(0)); }
    std::string read(const std::string& name) const { return read_file(shared.path + "/" + name).value_or(""); }
    void create(const Object& pod) {
        ObjectStore store(state.path + "/objects.db");
        REQUIRE(store.create(value_or_raise(key_of(pod)), pod));
    }
};

}  // namespace

TEST_CASE("adoption: a pod outlives the kill of the cluster's process and is taken over as it is") {
    World world;
    world.create(observed_pod(world.shared.path,
                              "echo started >>/shared/starts; trap 'exit 0' TERM;"
                              "while :; do echo tick; date +%s%N >/shared/now; sleep 0.05; done"));
    {
        NodeHost host(world.state.path);
        until("the pod runs", [&] { return !world.read("now").empty(); });
        host.kill();
    }
    const auto then = world.read("now");
    until("the pod goes on alone", [&] { return world.read("now") != then; });

    TestNode cluster(world.state.path);
    cluster.until_ready("a");
    const auto pod = cluster.pod("a");
    CHECK(int_at(pod->at("status").at("containerStatuses").at(0), "restartCount") == 0);
    CHECK(world.read("starts") == "started\n");
    CHECK(cluster.exec("a", {"sh", "-c", "exit 4"}).second == 4);
    CHECK(cluster.log("a").starts_with("tick\n"));
    cluster.remove_pod("a");
    CHECK(world.read("starts") == "started\n");
}

TEST_CASE("adoption: an end that nobody saw is known with its exit code") {
    World world;
    auto pod =
        observed_pod(world.shared.path, "touch /shared/up; while [ ! -e /shared/end ]; do sleep 0.02; done; exit 9");
    pod["spec"]["restartPolicy"] = "Never";
    world.create(pod);
    {
        NodeHost host(world.state.path);
        until("the pod runs", [&] { return std::filesystem::exists(world.shared.path + "/up"); });
        host.kill();
    }
    const auto uid = std::filesystem::directory_iterator(world.state.path + "/pods")->path().string();
    CHECK(pod_runs(uid));
    {
        std::fclose(std::fopen((world.shared.path + "/end").c_str(), "w"));
    }
    until("it ended", [&] { return !pod_runs(uid); });
    TestNode cluster(world.state.path);
    cluster.until_phase("a", "Failed");
    CHECK(int_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "state.terminated.exitCode") == 9);
}

TEST_CASE("adoption: a pod whose object went meanwhile is killed") {
    World world;
    world.create(
        observed_pod(world.shared.path, "trap '' TERM; while :; do date +%s%N >/shared/now; sleep 0.05; done"));
    {
        NodeHost host(world.state.path);
        until("the pod runs", [&] { return !world.read("now").empty(); });
    }
    {
        ObjectStore store(world.state.path + "/objects.db");
        store.purge({"pods", "default", "a"});
    }
    const auto pod = std::filesystem::directory_iterator(world.state.path + "/pods")->path().string();
    REQUIRE(pod_runs(pod));
    TestNode cluster(world.state.path);
    cluster.until("it is gone", [&] { return !pod_runs(pod); });
}

TEST_CASE("adoption: the supervisor's death ends its container, which then runs anew") {
    World world;
    world.create(observed_pod(world.shared.path, "echo started >>/shared/starts; while :; do sleep 0.05; done"));
    TestNode cluster(world.state.path);
    cluster.until("it started", [&] { return world.read("starts") == "started\n"; });
    const auto uid = text_at(*cluster.pod("a"), "metadata.uid");
    const auto state = value_or_raise(
        parse_json(value_or_raise(read_file(world.state.path + "/pods/" + uid + "/containers/main/0/state.json"))));
    REQUIRE(::kill(static_cast<pid_t>(int_at(state, "shim.pid")), SIGKILL) == 0);
    cluster.until("it runs again", [&] { return world.read("starts") == "started\nstarted\n"; });
    cluster.until_ready("a");
    const auto& status = cluster.pod("a")->at("status").at("containerStatuses").at(0);
    CHECK(int_at(status, "restartCount") == 1);
    CHECK(int_at(status, "lastState.terminated.exitCode") == 137);
    const auto init = static_cast<pid_t>(int_at(state, "init.pid"));
    until("its processes are gone", [&] { return !identify_process(init); });
}

TEST_CASE("stop: with its pods nothing of the cluster is left running, and they come back with it") {
    World world;
    world.create(observed_pod(world.shared.path,
                              "echo started >>/shared/starts; trap 'echo ended >>/shared/starts; exit 0' TERM;"
                              "while :; do sleep 0.05; done"));
    {
        TestNode cluster(world.state.path);
        cluster.until_ready("a");
        cluster.until("it started", [&] { return world.read("starts") == "started\n"; });
        cluster.exec("a", {"true"});
        cluster.stop(true);
    }
    CHECK(world.read("starts") == "started\nended\n");
    {
        TestNode cluster(world.state.path);
        cluster.until("it runs again", [&] { return world.read("starts") == "started\nended\nstarted\n"; });
        cluster.until_ready("a");
        cluster.stop(false);
    }
    const auto pod = std::filesystem::directory_iterator(world.state.path + "/pods")->path().string();
    CHECK(pod_runs(pod));
    CHECK(stop_all_pods(world.state.path));
    CHECK(!pod_runs(pod));
    CHECK(world.read("starts").ends_with("started\nended\n"));
}

TEST_CASE("ordinary user: all of it works without root") {
    if (!runs_as_root()) return;
    const std::string as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
    if (std::system((as_nobody + "bwrap --ro-bind / / --unshare-user true 2>/dev/null").c_str()) != 0) {
        WARN("skipped: the kernel lets no ordinary user make a user namespace");
        return;
    }
    std::FILE* output = ::popen((as_nobody + own_program() + " '~ordinary user: *' 2>&1").c_str(), "r");
    std::string text;
    for (int c = 0; (c = std::fgetc(output)) != EOF;) text += static_cast<char>(c);
    INFO(text);
    CHECK(::pclose(output) == 0);
}
