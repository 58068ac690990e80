// The parts of the node that need no process: pure functions and the layout of files.
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "localkube/addresses.hpp"
#include "localkube/atomic_directory.hpp"
#include "localkube/container_user.hpp"
#include "localkube/images.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_environment.hpp"
#include "localkube/pod_fields.hpp"
#include "localkube/pod_status.hpp"
#include "localkube/sandbox.hpp"
#include "localkube/shim_log.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <set>

using namespace toygres;
using namespace toygres::localkube;

namespace {

struct Directory {
    std::string path = (std::filesystem::temp_directory_path() / ("parts-" + random_hex(12))).string();
    Directory() { std::filesystem::create_directories(path); }
    ~Directory() { std::filesystem::remove_all(path); }
};

ContainerView running(const std::string& name, bool ready) {
    ContainerView view{name, "busybox", "", false, ContainerRun{0, "id", "2026-03-01T12:00:00.500Z", ""}, {}, "", ""};
    view.ready = ready;
    return view;
}

ContainerView ended(const std::string& name, int code) {
    auto view = running(name, false);
    view.current->finished_at = "2026-03-01T12:00:05Z";
    view.current->exit_code = code;
    view.current->reason = code == 0 ? "Completed" : "Error";
    return view;
}

std::string phase(const std::string& policy, std::vector<ContainerView> containers) {
    return pod_phase({{"spec", {{"restartPolicy", policy}}}},
                     PodView{"127.64.1.1", "", {}, std::move(containers), "", ""});
}

}  // namespace

TEST_CASE("addresses: each once, from a place of the cluster's own") {
    AddressPool pool(64, 64, "a");
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(pool.allocate([&](const std::string& a) { return seen.contains(a); }));
    CHECK(seen.size() == 1000);
    CHECK(std::ranges::all_of(seen, [](const auto& a) { return a.starts_with("127.64."); }));
    const auto none = [](const std::string&) { return false; };
    CHECK(AddressPool(64, 95, "a").allocate(none) != AddressPool(64, 95, "b").allocate(none));
}

TEST_CASE("environment: variables in texts") {
    const Environment environment{{"A", "1"}, {"B", "$(A)"}};
    CHECK(expand_variables("$(A)/$(B)/$(C)", environment) == "1/$(A)/$(C)");
    CHECK(expand_variables("$$(A) $A $( $", environment) == "$(A) $A $( $");
}

TEST_CASE("downward API: fields, labels by key, quantities") {
    const Object pod = {{"metadata", {{"name", "p"}, {"labels", {{"a.b/c", "v"}}}}},
                        {"status", {{"podIP", "127.64.1.1"}}}};
    CHECK(pod_field(pod, "metadata.labels['a.b/c']") == "v");
    CHECK(pod_field(pod, "metadata.labels") == "a.b/c=\"v\"");
    CHECK(pod_field(pod, "status.podIPs") == "127.64.1.1");
    CHECK(!pod_field(pod, "spec.containers"));
    const Object container = {{"resources", {{"limits", {{"memory", "1Gi"}, {"cpu", "1500m"}}}}}};
    CHECK(resource_field(pod, container, {{"resource", "limits.memory"}, {"divisor", "1Mi"}}) == "1024");
    CHECK(resource_field(pod, container, {{"resource", "limits.cpu"}}) == "2");
    CHECK(parse_quantity("1Gi") == 1073741824.0);
    CHECK(!parse_quantity("much"));
}

TEST_CASE("pod status: phases follow containers and the restart policy") {
    CHECK(phase("Always", {running("a", true)}) == "Running");
    CHECK(phase("Always", {ended("a", 1)}) == "Running");
    CHECK(phase("Never", {ended("a", 0), running("b", true)}) == "Running");
    CHECK(phase("Never", {ended("a", 0), ended("b", 0)}) == "Succeeded");
    CHECK(phase("Never", {ended("a", 0), ended("b", 1)}) == "Failed");
    CHECK(phase("OnFailure", {ended("a", 1)}) == "Running");
    CHECK(phase("OnFailure", {ended("a", 0)}) == "Succeeded");
    ContainerView waiting{"a", "busybox", "", false, {}, {}, "", ""};
    CHECK(phase("Always", {waiting, running("b", true)}) == "Pending");
}

TEST_CASE("pod status: conditions name what is not ready") {
    const Object pod = {{"spec", Object::object()}};
    const auto status =
        pod_status(pod, PodView{"127.64.1.1", "", {}, {running("a", true), running("b", false)}, "", ""});
    std::map<std::string, std::string> conditions;
    for (const auto& c : status["conditions"])
        conditions[text_at(c, "type")] = text_at(c, "status") + " " + text_at(c, "message");
    CHECK(conditions["Ready"] == "False containers with unready status: [b]");
    CHECK(conditions["Initialized"] == "True ");
    CHECK(status["containerStatuses"][0]["state"]["running"]["startedAt"] == "2026-03-01T12:00:00Z");
}

TEST_CASE("pod status: a condition's transition time moves with its status only") {
    Object conditions;
    set_condition(conditions, "Ready", "False", "A");
    conditions[0]["lastTransitionTime"] = "2026-01-01T00:00:00Z";
    set_condition(conditions, "Ready", "False", "B");
    CHECK(conditions[0]["lastTransitionTime"] == "2026-01-01T00:00:00Z");
    CHECK(conditions[0]["reason"] == "B");
    set_condition(conditions, "Ready", "True");
    CHECK(conditions[0]["lastTransitionTime"] != "2026-01-01T00:00:00Z");
    CHECK(!conditions[0].contains("reason"));
}

TEST_CASE("sandbox: mount points that the host lacks are laid over the nearest folder, whose content stays") {
    const Directory volume;
    Sandbox sandbox{.mounts = {{volume.path, "/etc/toygres-none/config", false}, {volume.path, "/toygres-none", true}},
                    .hostname = "h",
                    .as_root = true};
    const auto options = sandbox_options(sandbox);
    const auto has = [&](std::vector<std::string> words) { return !std::ranges::search(options, words).empty(); };
    CHECK(has({"--tmpfs", "/etc", "--ro-bind-try"}));
    CHECK(has({"--ro-bind-try", "/etc/passwd", "/etc/passwd"}));
    CHECK(has({"--bind", volume.path, "/etc/toygres-none/config"}));
    CHECK(has({"--ro-bind", volume.path, "/toygres-none"}));
    CHECK(has({"--remount-ro", "/etc", "--remount-ro", "/"}));
}

TEST_CASE("images: what can be had, and why another cannot") {
    CHECK(find_image("docker.io/library/busybox:1.36", "").value().command == std::vector<std::string>{"sh"});
    CHECK(find_image("postgres:1", "").error().message.find("postgresql-1") != std::string::npos);
    CHECK(find_image("registry.example:5000/toygres-agent:dev", "/bin/true").value().agent_path == "/bin/true");
    CHECK(find_image("toygres-agent:dev", "/no/such").error().code == "image_unavailable");
    CHECK(find_image("nginx", "").error().message.find("postgres:<major>") != std::string::npos);
}

TEST_CASE("user: the container's own context goes before the pod's") {
    const Object pod = {{"spec", {{"securityContext", {{"runAsUser", 999}, {"fsGroup", 70}, {"runAsNonRoot", true}}}}}};
    const auto user = container_user(pod, {{"name", "a"}}).value();
    CHECK(user.uid == 999);
    CHECK(user.gid == 999);
    CHECK(user.groups == std::vector<int>{70});
    CHECK(container_user(pod, {{"securityContext", {{"runAsUser", 0}}}}).error().code == "runs_as_root");
    CHECK(passwd_file(user, "/var/lib/postgresql").find("postgres:x:999:999:") != std::string::npos);
}

TEST_CASE("atomic directory: files change together, old ones go, the same content writes nothing") {
    const Directory directory;
    const auto path = directory.path + "/v";
    REQUIRE(write_atomic_directory(path, {{"a", {"1", 0644}}, {"deep/b", {"2", 0400}}}, -1));
    CHECK(read_file(path + "/a").value() == "1");
    CHECK(read_file(path + "/deep/b").value() == "2");
    const auto generation = std::filesystem::read_symlink(path + "/..data");
    REQUIRE(write_atomic_directory(path, {{"a", {"1", 0644}}, {"deep/b", {"2", 0400}}}, -1));
    CHECK(std::filesystem::read_symlink(path + "/..data") == generation);
    REQUIRE(write_atomic_directory(path, {{"a", {"3", 0644}}}, -1));
    CHECK(read_file(path + "/a").value() == "3");
    CHECK(!std::filesystem::exists(path + "/deep"));
    CHECK(!std::filesystem::exists(path + "/" + generation.string()));
}

TEST_CASE("shim log: lines with time and stream, a long one in parts, a new file when full") {
    const Directory directory;
    const auto path = directory.path + "/0.log";
    {
        ShimLog log(path);
        log.append(false, "one\ntw");
        log.append(true, "oops\n");
        log.append(false, "o\nrest");
        log.finish();
        CHECK(log.last_error_line() == "oops");
    }
    const auto text = read_file(path).value();
    CHECK(parse_rfc3339(text.substr(0, text.find(' '))));
    std::string plain;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
        plain += text.substr(text.find(' ', at) + 1, text.find('\n', at) - text.find(' ', at));
    CHECK(plain == "stdout F one\nstderr F oops\nstdout F two\nstdout F rest\n");
    {
        ShimLog log(path);
        log.append(false, std::string(20'000, 'x') + "\n");
        for (int i = 0; i < 1100; ++i) log.append(false, std::string(10'000, 'y') + "\n");
    }
    CHECK(read_file(path + ".1").value().find(" stdout P xxx") != std::string::npos);
    CHECK(std::filesystem::file_size(path) < (10U << 20));
}
