// A node with real sandboxes over an object store of its own, driven by the test's own thread.
#pragma once
#include "localkube/local_node.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/object_store.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace toygres::test {

using namespace localkube;

// A directory of its own that goes with the object; readable for an ordinary user.
struct StateDirectory {
    StateDirectory();
    ~StateDirectory();
    StateDirectory(const StateDirectory&) = delete;
    StateDirectory& operator=(const StateDirectory&) = delete;
    std::string path;
};

LocalNodeOptions node_options(const std::string& state_dir);

class TestNode {
  public:
    // Its pods are ended with it, unless they were already.
    explicit TestNode(std::string state_dir = {}, const std::string& agent_path = {});
    ~TestNode();

    asio::io_context io;
    StateDirectory own_directory;
    std::string state_dir;
    std::unique_ptr<ObjectStore> store;
    std::unique_ptr<LocalNode> node;

    // Runs the node until the condition holds; fails the test when that takes unreasonably long.
    void until(const std::string& what, const std::function<bool()>& condition);
    template <class T> T await(asio::awaitable<T> work) {
        auto future = asio::co_spawn(io, std::move(work), asio::use_future);
        until("the coroutine", [&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
        return future.get();
    }
    ObjectPtr create(Object object);
    ObjectPtr pod(const std::string& name) const { return store->get({"pods", "default", name}); }
    void until_ready(const std::string& pod);
    void until_phase(const std::string& pod, const std::string& phase);
    // Deletes with the pod's own grace and waits until it is gone.
    void remove_pod(const std::string& name, int grace_seconds = 30);
    void until_log(const std::string& pod, const std::string& expected);
    std::string log(const std::string& pod, LogQuery query = {});
    // Output (both streams) and exit code.
    std::pair<std::string, int> exec(const std::string& pod, std::vector<std::string> command, bool tty = false,
                                     const std::string& input = {});
    std::size_t events(const std::string& reason) const;
    void stop(bool stop_pods);
};

// A pod of one shell container named "main".
Object shell_pod(const std::string& name, const std::string& script);
// Its first container.
Object& main_of(Object& pod);

bool runs_as_root();

}  // namespace toygres::test
