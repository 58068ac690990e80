#include "node_fixture.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

// Waits for SIGTERM and ends well: process 1 gets no signal that it does not handle.
const std::string waits = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

Object volume_mount(const std::string& name, const std::string& path) { return {{"name", name}, {"mountPath", path}}; }

const Object& container_state(const ObjectPtr& pod) {
    return pod->at("status").at("containerStatuses").at(0).at("state");
}

}  // namespace

TEST_CASE("pod: runs in a sandbox on an address of its own, is ended gracefully and leaves nothing") {
    TestNode cluster;
    cluster.create(shell_pod("a", "echo hello; echo oops >&2; " + waits));
    cluster.until_ready("a");
    const auto pod = cluster.pod("a");
    const auto ip = text_at(*pod, "status.podIP");
    CHECK(ip.starts_with("127."));
    CHECK(text_at(*pod, "spec.nodeName") == "local");
    CHECK(text_at(*pod, "status.phase") == "Running");
    CHECK(container_state(pod).contains("running"));
    cluster.until_log("a", "hello\noops\n");
    CHECK(cluster.exec("a", {"hostname"}).first == "a\n");
    CHECK(cluster.exec("a", {"sh", "-c", "touch /usr/x"}).second != 0);
    CHECK(cluster.exec("a", {"sh", "-c", "touch /tmp/x && echo $$"}).second == 0);
    CHECK(cluster.exec("a", {"grep", "-c", "localhost", "/etc/hosts"}).second == 0);
    CHECK(cluster.exec("a", {"ls", cluster.state_dir}).first.find("objects.db") == std::string::npos);
    cluster.remove_pod("a");
    cluster.until("its files are gone", [&] {
        return std::filesystem::is_empty(cluster.state_dir + "/pods") &&
               std::filesystem::is_empty(cluster.state_dir + "/logs");
    });
    for (const char* reason : {"Scheduled", "Pulled", "Created", "Started", "Killing"})
        CHECK(cluster.events(reason) == 1);
}

TEST_CASE("pod: a process that ignores SIGTERM is killed when its grace ends") {
    TestNode cluster;
    cluster.create(shell_pod("a", "trap '' TERM; while :; do sleep 0.05; done"));
    cluster.until_ready("a");
    const auto began = std::chrono::steady_clock::now();
    cluster.remove_pod("a", 1);
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(900));
}

TEST_CASE("pod: deleted by force it is killed at once") {
    TestNode cluster;
    cluster.create(shell_pod("a", "trap '' TERM; while :; do sleep 0.05; done"));
    cluster.until_ready("a");
    cluster.remove_pod("a", 0);
    cluster.until("its files are gone", [&] { return std::filesystem::is_empty(cluster.state_dir + "/pods"); });
}

TEST_CASE("pod: without restarts it succeeds or fails with its exit code") {
    TestNode cluster;
    auto good = shell_pod("good", "exit 0");
    auto bad = shell_pod("bad", "exit 3");
    for (auto* pod : {&good, &bad}) {
        (*pod)["spec"]["restartPolicy"] = "Never";
        cluster.create(*pod);
    }
    cluster.until_phase("good", "Succeeded");
    cluster.until_phase("bad", "Failed");
    INFO(cluster.pod("bad")->dump());
    CHECK(container_state(cluster.pod("good")).at("terminated").at("reason") == "Completed");
    CHECK(container_state(cluster.pod("bad")).at("terminated").at("exitCode") == 3);
    CHECK(container_state(cluster.pod("bad")).at("terminated").at("reason") == "Error");
}

TEST_CASE("pod: a crashing container is restarted, at once first and then later and later") {
    TestNode cluster;
    cluster.create(shell_pod("a", "echo run; exit 1"));
    cluster.until("it waits for its third run", [&] {
        const auto pod = cluster.pod("a");
        const auto& statuses = list_at(*pod, "status.containerStatuses");
        return !statuses.empty() && int_at(statuses[0], "restartCount") >= 1 &&
               text_at(statuses[0], "state.waiting.reason") == "CrashLoopBackOff";
    });
    const auto status = cluster.pod("a")->at("status").at("containerStatuses").at(0);
    CHECK(text_at(status, "state.waiting.message").starts_with("back-off 300ms restarting failed container=main"));
    CHECK(int_at(status, "lastState.terminated.exitCode") == 1);
    CHECK(text_at(*cluster.pod("a"), "status.phase") == "Running");
    cluster.until("it waits longer", [&] {
        return text_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "state.waiting.message")
            .starts_with("back-off 1.2s");
    });
    CHECK(cluster.log("a", {.container = "main", .previous = true}) == "run\n");
}

TEST_CASE("pod: init containers run one after the other before the main ones, which share volumes with them") {
    TestNode cluster;
    auto pod = shell_pod("a", "cat /data/order; " + waits);
    const Object mounts = Object::array({volume_mount("data", "/data")});
    const auto init = [&](const std::string& name) {
        return Object{{"name", name},
                      {"image", "busybox"},
                      {"volumeMounts", mounts},
                      {"command", {"sh", "-c", "sleep 0.1; echo " + name + " >>/data/order"}}};
    };
    pod["spec"]["initContainers"] = Object::array({init("one"), init("two")});
    pod["spec"]["volumes"] = Object::array({{{"name", "data"}, {"emptyDir", Object::object()}}});
    main_of(pod)["volumeMounts"] = mounts;
    cluster.create(pod);
    cluster.until_ready("a");
    cluster.until_log("a", "one\ntwo\n");
    CHECK(text_at(cluster.pod("a")->at("status").at("initContainerStatuses").at(1), "state.terminated.reason") ==
          "Completed");
}

TEST_CASE("pod: environment from values, fields, secrets and config maps") {
    TestNode cluster;
    cluster.create({{"kind", "Secret"}, {"metadata", {{"name", "s"}}}, {"data", {{"password", "aHVudGVyMg=="}}}});
    cluster.create({{"kind", "ConfigMap"}, {"metadata", {{"name", "c"}}}, {"data", {{"COLOUR", "green"}}}});
    auto pod = shell_pod("a", "env");
    main_of(pod)["env"] =
        Object::array({{{"name", "POD_IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}},
                       {{"name", "PASSWORD"}, {"valueFrom", {{"secretKeyRef", {{"name", "s"}, {"key", "password"}}}}}},
                       {{"name", "WHERE"}, {"value", "tcp://$(POD_IP)/$(NOTHING)/$$(POD_IP)"}}});
    main_of(pod)["envFrom"] = Object::array({{{"configMapRef", {{"name", "c"}}}}});
    pod["spec"]["restartPolicy"] = "Never";
    cluster.create(pod);
    cluster.until_phase("a", "Succeeded");
    const auto log = cluster.log("a");
    const auto ip = text_at(*cluster.pod("a"), "status.podIP");
    for (const auto& line : {"PASSWORD=hunter2", "COLOUR=green", "HOSTNAME=a", "KUBERNETES_SERVICE_PORT=6443"})
        CHECK(log.find(line) != std::string::npos);
    CHECK(log.find("WHERE=tcp://" + ip + "/$(NOTHING)/$(POD_IP)\n") != std::string::npos);
}

TEST_CASE("pod: waits for a secret that is not there yet, and mounts follow their source") {
    TestNode cluster;
    auto pod = shell_pod("a", waits);
    main_of(pod)["volumeMounts"] =
        Object::array({volume_mount("c", "/etc/toygres/config"), volume_mount("s", "/run/s")});
    pod["spec"]["volumes"] = Object::array({{{"name", "c"}, {"configMap", {{"name", "c"}}}},
                                            {{"name", "s"}, {"secret", {{"secretName", "s"}, {"defaultMode", 0400}}}}});
    cluster.create({{"kind", "ConfigMap"}, {"metadata", {{"name", "c"}}}, {"data", {{"k", "1"}}}});
    cluster.create(pod);
    cluster.until("the missing secret is told", [&] { return cluster.events("FailedMount") == 1; });
    CHECK(text_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "state.waiting.reason") ==
          "ContainerCreating");
    cluster.create({{"kind", "Secret"}, {"metadata", {{"name", "s"}}}, {"data", {{"password", "aHVudGVyMg=="}}}});
    cluster.until_ready("a");
    CHECK(cluster.exec("a", {"cat", "/run/s/password"}).first == "hunter2");
    CHECK(cluster.exec("a", {"stat", "-Lc", "%a", "/run/s/password"}).first == "400\n");
    CHECK(cluster.exec("a", {"ls", "/etc/passwd"}).second == 0);
    REQUIRE(cluster.store->mutate({"configmaps", "default", "c"}, [](Object& o) { o["data"]["k"] = "2"; }));
    cluster.until("the mounted file follows",
                  [&] { return cluster.exec("a", {"cat", "/etc/toygres/config/k"}).first == "2"; });
}

TEST_CASE("pod: an image that cannot be had is told, with what there is") {
    TestNode cluster;
    auto pod = shell_pod("a", "true");
    main_of(pod)["image"] = "docker.io/library/postgres:99";
    cluster.create(pod);
    const auto waiting = [&] {
        const auto& statuses = list_at(*cluster.pod("a"), "status.containerStatuses");
        return statuses.empty() ? Object() : field_at(statuses[0], "state.waiting");
    };
    cluster.until("it backs off", [&] { return text_at(waiting(), "reason") == "ImagePullBackOff"; });
    CHECK(text_at(waiting(), "message").find("install the package postgresql-99") != std::string::npos);
    CHECK(text_at(*cluster.pod("a"), "status.phase") == "Pending");
}

TEST_CASE("pod: the command runs as the user that the pod asks for") {
    TestNode cluster;
    auto pod = shell_pod("a", "id; whoami; touch /data/x; " + waits);
    pod["spec"]["securityContext"] = {{"runAsUser", 999}, {"fsGroup", 999}, {"runAsNonRoot", true}};
    pod["spec"]["volumes"] = Object::array({{{"name", "data"}, {"emptyDir", Object::object()}}});
    main_of(pod)["volumeMounts"] = Object::array({volume_mount("data", "/data")});
    main_of(pod)["securityContext"] = {{"capabilities", {{"drop", {"ALL"}}}}};
    cluster.create(pod);
    cluster.until_ready("a");
    std::string log;
    cluster.until("its log", [&] { return (log = cluster.log("a")).find("\npostgres\n") != std::string::npos; });
    CHECK(log.find("uid=999(postgres) gid=999(postgres)") != std::string::npos);
    CHECK(cluster.exec("a", {"id", "-u"}).first == "999\n");
    CHECK(cluster.exec("a", {"stat", "-c", "%u:%g", "/data/x"}).first == "999:999\n");
    CHECK(cluster.exec("a", {"grep", "CapEff", "/proc/self/status"}).first == "CapEff:\t0000000000000000\n");
}

TEST_CASE("pod: shared memory is memory, and the container can write where it should and nowhere else") {
    TestNode cluster;
    auto pod = shell_pod("a", waits);
    pod["spec"]["volumes"] = Object::array({{{"name", "shm"}, {"emptyDir", {{"medium", "Memory"}}}},
                                            {{"name", "config"}, {"emptyDir", Object::object()}}});
    main_of(pod)["volumeMounts"] = Object::array(
        {volume_mount("shm", "/dev/shm"),
         {{"name", "config"}, {"mountPath", "/var/run/toygres"}},
         {{"name", "config"}, {"mountPath", "/opt/toygres-none/config"}, {"subPath", "sub"}, {"readOnly", true}}});
    cluster.create(pod);
    cluster.until_ready("a");
    CHECK(cluster.exec("a", {"stat", "-fc", "%T", "/dev/shm"}).first == "tmpfs\n");
    for (const char* path : {"/dev/shm/x", "/tmp/x", "/var/run/toygres/x"})
        CHECK(cluster.exec("a", {"touch", path}).second == 0);
    for (const char* path : {"/x", "/opt/x", "/opt/toygres-none/config/x", "/etc/x", "/var/x"})
        CHECK(cluster.exec("a", {"touch", path}).second != 0);
    CHECK(cluster.exec("a", {"ls", "/run/toygres"}).first == "sub\nx\n");
}

TEST_CASE("exec: exit code, standard input, a terminal, a command that is not there") {
    TestNode cluster;
    cluster.create(shell_pod("a", waits));
    cluster.until_ready("a");
    CHECK(cluster.exec("a", {"sh", "-c", "exit 7"}).second == 7);
    CHECK(cluster.exec("a", {"cat"}, false, "typed\n").first == "typed\n");
    CHECK(cluster.exec("a", {"test", "-t", "1"}, true).second == 0);
    CHECK(cluster.exec("a", {"test", "-t", "1"}).second == 1);
    CHECK(cluster.exec("a", {"/no/such"}).second == 127);
    CHECK(cluster.exec("a", {"sh", "-c", "kill -9 $$"}).second == 137);
    CHECK(cluster.exec("a", {"sh", "-c", "sleep 600 & echo left"}).first == "left\n");
    CHECK(cluster.node->exec(cluster.pod("a"), "other", {"true"}, false, false).error().code == "container_not_found");
}

TEST_CASE("logs: tail, timestamps, and following until the container ends") {
    TestNode cluster;
    auto pod = shell_pod("a", "for i in 1 2 3; do echo $i; done; sleep 0.5; echo 4");
    pod["spec"]["restartPolicy"] = "Never";
    cluster.create(pod);
    cluster.until("it wrote", [&] {
        const auto& statuses = list_at(*cluster.pod("a"), "status.containerStatuses");
        return !statuses.empty() && field_at(statuses[0], "state").contains("running") &&
               cluster.log("a").ends_with("3\n");
    });
    CHECK(cluster.log("a", {.tail_lines = 2, .limit_bytes = {}}) == "2\n3\n");
    const auto stamped = cluster.log("a", {.timestamps = true, .tail_lines = 1});
    CHECK(parse_rfc3339(stamped.substr(0, stamped.find(' '))));
    CHECK(cluster.log("a", {.follow = true}) == "1\n2\n3\n4\n");
}

TEST_CASE("probes: readiness follows the container, liveness restarts it, startup holds both back") {
    TestNode cluster;
    auto pod = shell_pod("a", "touch /tmp/alive; " + waits);
    const auto probe = [](const std::string& script) {
        return Object{{"exec", {{"command", {"sh", "-c", script}}}}, {"periodSeconds", 1}, {"failureThreshold", 1}};
    };
    main_of(pod)["startupProbe"] = probe("test -e /tmp/alive");
    main_of(pod)["readinessProbe"] = probe("test -e /tmp/ready");
    main_of(pod)["livenessProbe"] = probe("test -e /tmp/alive");
    cluster.create(pod);
    cluster.until("it started", [&] {
        const auto& statuses = list_at(*cluster.pod("a"), "status.containerStatuses");
        return !statuses.empty() && flag_at(statuses[0], "started");
    });
    CHECK(!flag_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "ready"));
    cluster.exec("a", {"touch", "/tmp/ready"});
    cluster.until_ready("a");
    cluster.exec("a", {"rm", "/tmp/alive"});
    cluster.until("it was restarted", [&] {
        const auto& status = cluster.pod("a")->at("status").at("containerStatuses").at(0);
        return int_at(status, "restartCount") == 1 && flag_at(status, "started");
    });
    CHECK(!flag_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "ready"));
    CHECK(cluster.events("Unhealthy") >= 1);
}

TEST_CASE("probes: a command that takes too long is a failure, and is ended") {
    TestNode cluster;
    auto pod = shell_pod("a", waits);
    main_of(pod)["livenessProbe"] = {{"exec", {{"command", {"sh", "-c", "sleep 601 & sleep 602"}}}},
                                     {"periodSeconds", 1},
                                     {"timeoutSeconds", 1},
                                     {"failureThreshold", 1}};
    cluster.create(pod);
    cluster.until("it was restarted", [&] {
        const auto& statuses = list_at(*cluster.pod("a"), "status.containerStatuses");
        return !statuses.empty() && int_at(statuses[0], "restartCount") == 1;
    });
    CHECK(cluster.events("Unhealthy") >= 1);
}

TEST_CASE("probes: a TCP socket and an HTTP server") {
    TestNode cluster;
    auto pod = shell_pod("a", "exec python3 -m http.server 8080 --bind $POD_IP --directory /usr/share");
    main_of(pod)["env"] =
        Object::array({{{"name", "POD_IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}});
    main_of(pod)["ports"] = Object::array({{{"name", "web"}, {"containerPort", 8080}}});
    main_of(pod)["startupProbe"] = {{"tcpSocket", {{"port", "web"}}}, {"periodSeconds", 1}, {"failureThreshold", 30}};
    main_of(pod)["readinessProbe"] = {{"httpGet", {{"port", 8080}, {"path", "/"}}}};
    main_of(pod)["livenessProbe"] = {{"httpGet", {{"port", "web"}, {"path", "/doc"}}}, {"periodSeconds", 1}};
    cluster.create(pod);
    cluster.until_ready("a");
    CHECK(int_at(cluster.pod("a")->at("status").at("containerStatuses").at(0), "restartCount") == 0);
    cluster.remove_pod("a", 1);
}
