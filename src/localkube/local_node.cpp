#include "localkube/local_node.hpp"

#include "base/log.hpp"
#include "localkube/container_logs.hpp"
#include "localkube/controllers.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_manager.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>

namespace toygres::localkube {
namespace {

constexpr std::chrono::minutes upkeep_interval{1};

void register_node(ObjectStore& store) {
    utsname system{};
    ::uname(&system);
    const Object capacity = {
        {"cpu", std::to_string(std::max(1U, std::thread::hardware_concurrency()))},
        {"memory", fmt::format("{}Ki", ::sysconf(_SC_PHYS_PAGES) * (::sysconf(_SC_PAGE_SIZE) / 1024))},
        {"pods", "1000"}};
    const ObjectKey key{"nodes", "", node_name};
    Object labels = {{"kubernetes.io/hostname", node_name}, {"kubernetes.io/os", "linux"}};
    if (!store.get(key))
        (void)store.create(key, {{"apiVersion", "v1"},
                                 {"kind", "Node"},
                                 {"metadata", {{"name", node_name}, {"labels", labels}}},
                                 {"spec", Object::object()}});
    (void)store.mutate(key, [&](Object& node) {
        auto& status = node["status"];
        status["capacity"] = status["allocatable"] = capacity;
        status["addresses"] = Object::array(
            {{{"type", "InternalIP"}, {"address", "127.0.0.1"}}, {{"type", "Hostname"}, {"address", node_name}}});
        status["nodeInfo"] = {
            {"kernelVersion", system.release},    {"machineID", ""},         {"operatingSystem", "linux"},
            {"osImage", "the host's own root"},   {"architecture", "amd64"}, {"containerRuntimeVersion", "bubblewrap"},
            {"kubeletVersion", "v1.32.0+toygres"}};
        set_condition(status["conditions"], "Ready", "True", "KubeletReady", "the embedded node takes pods");
    });
}

}  // namespace

class LocalNode::Impl {
  public:
    Impl(asio::io_context& io, LocalNodeOptions options, ObjectStore& store)
        : blocking_(1),
          node_(new NodeContext{io, std::move(options), store, EventRecorder(store), blocking_, ::geteuid() == 0}),
          upkeep_(io) {
        for (const char* folder : {"/pods", "/volumes", "/logs"}) {
            const auto path = node_->options.state_dir + folder;
            std::filesystem::create_directories(path);
            ::chmod(path.c_str(), 0700);
        }
        pods_ = std::make_shared<PodManager>(node_);
        const auto in_use = [pods = pods_.get()](const std::string& ns, const std::string& claim) {
            return pods->is_claim_in_use(ns, claim);
        };
        controllers_ = {pods_,
                        make_namespace_controller(node_),
                        make_volume_controller(node_, in_use),
                        make_service_controller(node_),
                        make_statefulset_controller(node_),
                        make_job_controller(node_),
                        make_cronjob_controller(node_),
                        make_disruption_controller(node_),
                        make_garbage_collector(node_)};
    }

    void start() {
        register_node(node_->store);
        subscription_ = node_->store.subscribe([this](const WatchEvent& event) {
            for (const auto& controller : controllers_) controller->observe(event);
        });
        for (const auto& controller : controllers_) controller->start();
        keep_up();
    }

    asio::awaitable<void> stop(bool stop_pods) {
        if (stop_pods) co_await pods_->stop_containers();
        halt();
        blocking_.join();
    }

    void halt() {
        node_->stopped = true;
        subscription_.reset();
        upkeep_.cancel();
        for (const auto& controller : controllers_) controller->stop();
    }

    // Error: not_found/"container_not_found".
    Result<std::shared_ptr<Container>> find(const Object& pod, const std::string& name) const {
        const auto worker = pods_->worker(uid_of(pod));
        auto container = worker ? worker->container(name) : nullptr;
        if (container) return container;
        return std::unexpected(Error{ErrorKind::not_found, "container_not_found",
                                     fmt::format("container {} is not valid for pod {}", name, name_of(pod))});
    }

    std::shared_ptr<NodeContext> node() const { return node_; }

  private:
    void keep_up() {
        node_->events.expire();
        upkeep_.expires_after(upkeep_interval);
        upkeep_.async_wait([this, node = node_](boost::system::error_code error) {
            if (!error && !node->stopped) keep_up();
        });
    }

    asio::thread_pool blocking_;
    std::shared_ptr<NodeContext> node_;
    asio::steady_timer upkeep_;
    std::shared_ptr<PodManager> pods_;
    std::vector<ControllerPtr> controllers_;
    ObjectStore::Subscription subscription_;
};

LocalNode::LocalNode(asio::io_context& io, LocalNodeOptions options, ObjectStore& store)
    : impl_(std::make_unique<Impl>(io, std::move(options), store)) {}

LocalNode::~LocalNode() { impl_->halt(); }

void LocalNode::start() { impl_->start(); }

asio::awaitable<void> LocalNode::stop(bool stop_pods) { return impl_->stop(stop_pods); }

asio::awaitable<Result<void>> LocalNode::logs(ObjectPtr pod, LogQuery query,
                                              std::function<asio::awaitable<bool>(std::string_view)> on_data) {
    const auto container = impl_->find(*pod, query.container);
    if (!container) co_return std::unexpected(container.error());
    const auto path = (*container)->log_path(query.previous);
    if (!path) {
        const auto view = (*container)->view();
        const auto why =
            query.previous
                ? fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", (*container)->name(),
                              name_of(*pod))
                : fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}", (*container)->name(),
                              name_of(*pod), view.waiting_reason.empty() ? "ContainerCreating" : view.waiting_reason);
        co_return std::unexpected(Error{ErrorKind::invalid, "container_waiting", why});
    }
    const auto is_over = [container = *container, node = impl_->node(), previous = query.previous, path = *path] {
        return previous || node->stopped || !container->is_running() || container->log_path(false) != path;
    };
    const auto node = impl_->node();
    co_await read_container_log(node->io, *path, std::move(query), is_over, std::move(on_data));
    co_return Result<void>();
}

Result<std::unique_ptr<ExecSession>> LocalNode::exec(ObjectPtr pod, const std::string& container,
                                                     std::vector<std::string> command, bool tty, bool with_stdin) {
    const auto found = impl_->find(*pod, container);
    if (!found) return std::unexpected(found.error());
    auto target = (*found)->exec_target();
    if (!target) return std::unexpected(target.error());
    return exec_in_container(impl_->node()->io, *std::move(target), std::move(command), tty, with_stdin);
}

}  // namespace toygres::localkube
