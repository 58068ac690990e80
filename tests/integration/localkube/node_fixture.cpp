#include "node_fixture.hpp"

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "localkube/cluster.hpp"
#include "localkube/container_shim.hpp"
#include "localkube/pod_reaper.hpp"

#include <cstring>
#include <future>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::test {
namespace {

// The test program is its own shim, and the host of a node that a test may kill.
struct OtherHalf {
    OtherHalf() {
        std::vector<std::string> arguments;
        std::FILE* file = std::fopen("/proc/self/cmdline", "r");
        std::string text;
        for (int c = 0; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
        std::fclose(file);
        for (std::size_t at = 0; at < text.size(); at += arguments.back().size() + 1)
            arguments.emplace_back(text.c_str() + at);
        if (arguments.size() < 3) return;
        if (arguments[1] == "container-shim") {
            std::vector<char*> argv;
            for (auto& argument : arguments) argv.push_back(argument.data());
            ::_exit(container_shim_main(static_cast<int>(argv.size()), argv.data()));
        }
        if (arguments[1] == "cluster") {
            const auto node = node_options(arguments[2]);
            log::set_level(log::Level::error);
            ::_exit(run_cluster({.state_dir = node.state_dir,
                                 .agent_path = arguments.size() > 3 ? arguments[3] : node.agent_path,
                                 .shim_command = node.shim_command}));
        }
        if (arguments[1] == "node-host") {
            asio::io_context io;
            ObjectStore store(arguments[2] + "/objects.db");
            LocalNode node(io, node_options(arguments[2]), store);
            node.start();
            io.run();
        }
    }
} other_half;

}  // namespace

StateDirectory::StateDirectory()
    : path((std::filesystem::temp_directory_path() / ("node-" + random_hex(12))).string()) {
    std::filesystem::create_directories(path);
}

StateDirectory::~StateDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
}

LocalNodeOptions node_options(const std::string& state_dir) {
    log::set_level(log::Level::warning);
    LocalNodeOptions options;
    options.state_dir = state_dir;
    options.api_url = "https://127.0.0.1:6443";
    options.api_ca_pem = "";
    options.agent_path = "/bin/true";
    options.mint_token = [](const std::string& ns, const std::string& account) {
        return "token-" + ns + "-" + account;
    };
    options.shim_command = {std::filesystem::read_symlink("/proc/self/exe").string(), "container-shim"};
    options.restart_backoff = std::chrono::milliseconds(300);
    return options;
}

TestNode::TestNode(std::string existing, const std::string& agent_path)
    : state_dir(existing.empty() ? own_directory.path : std::move(existing)) {
    store = std::make_unique<ObjectStore>(state_dir + "/objects.db");
    auto options = node_options(state_dir);
    if (!agent_path.empty()) options.agent_path = agent_path;
    node = std::make_unique<LocalNode>(io, std::move(options), *store);
    node->start();
}

TestNode::~TestNode() {
    if (!node) return;
    stop(true);
    stop_all_pods(state_dir, std::chrono::seconds(0));
}

void TestNode::stop(bool stop_pods) {
    auto future = asio::co_spawn(io, node->stop(stop_pods), asio::use_future);
    io.restart();
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        io.run_one_for(std::chrono::seconds(1));
    node.reset();
}

void TestNode::until(const std::string& what, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain for " << what);
        io.run_one_for(std::chrono::milliseconds(100));
    }
}

ObjectPtr TestNode::create(Object object) {
    if (!object["metadata"].contains("namespace")) object["metadata"]["namespace"] = "default";
    const auto key = value_or_raise(key_of(object));
    return value_or_raise(store->create(key, std::move(object)));
}

void TestNode::until_ready(const std::string& name) {
    until(name + " is ready", [&] {
        const auto found = pod(name);
        return found && std::ranges::any_of(list_at(*found, "status.conditions"), [](const auto& c) {
                   return text_at(c, "type") == "Ready" && text_at(c, "status") == "True";
               });
    });
}

void TestNode::until_phase(const std::string& name, const std::string& phase) {
    until(name + " is " + phase, [&] { return pod(name) && text_at(*pod(name), "status.phase") == phase; });
}

void TestNode::remove_pod(const std::string& name, int grace_seconds) {
    REQUIRE(store->remove({"pods", "default", name}, grace_seconds));
    until(name + " is gone", [&] { return !pod(name); });
}

std::string TestNode::log(const std::string& name, LogQuery query) {
    auto text = std::make_shared<std::string>();
    const auto result = await(node->logs(pod(name), query, [text](std::string_view piece) -> asio::awaitable<bool> {
        *text += piece;
        co_return true;
    }));
    REQUIRE(result);
    return *text;
}

void TestNode::until_log(const std::string& name, const std::string& expected) {
    std::string last;
    until("the log of " + name, [&] { return (last = log(name)) == expected; });
}

std::pair<std::string, int> TestNode::exec(const std::string& name, std::vector<std::string> command, bool tty,
                                           const std::string& input) {
    auto session = node->exec(pod(name), "", std::move(command), tty, !input.empty());
    REQUIRE(session);
    auto read_all = [](ExecSession* running, std::string typed) -> asio::awaitable<std::string> {
        if (!typed.empty()) {
            co_await running->write_stdin(std::move(typed));
            running->close_stdin();
        }
        std::string out;
        while (auto piece = co_await running->read()) out += piece->second;
        co_return out;
    };
    auto output = await(read_all(session->get(), input));
    return {output, (*session)->exit_code()};
}

std::size_t TestNode::events(const std::string& reason) const {
    const auto all = store->list("events");
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const auto& e) { return text_at(*e, "reason") == reason; }));
}

Object shell_pod(const std::string& name, const std::string& script) {
    const Object container = {{"name", "main"}, {"image", "busybox"}, {"command", {"sh", "-c", script}}};
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", "default"}}},
            {"spec",
             {{"containers", Object::array({container})},
              {"terminationGracePeriodSeconds", 2},
              {"automountServiceAccountToken", false}}}};
}

Object& main_of(Object& pod) { return pod["spec"]["containers"][0]; }

bool runs_as_root() { return ::geteuid() == 0; }

}  // namespace toygres::test
