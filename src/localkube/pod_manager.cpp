#include "localkube/pod_manager.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "localkube/cluster_dns.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_reaper.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

}  // namespace

PodManager::PodManager(std::shared_ptr<NodeContext> node)
    : Controller(std::move(node)), addresses_(64, 95, node_->options.state_dir) {}

void PodManager::start() {
    drop_unknown_directories();
    // Running pods first: their addresses are taken.
    for (const auto& pod : store().list("pods"))
        if (fs::exists(node_->pod_directory(uid_of(*pod)))) admit(pod);
    enqueue_all("pods");
}

void PodManager::observe(const WatchEvent& event) {
    const auto& resource = event.key.resource;
    if (resource == "pods") return enqueue(event.key);
    if (resource == "services" || resource == "endpoints")
        names_changed_ = true;
    else if (resource == "secrets" || resource == "configmaps" || resource == "persistentvolumeclaims" ||
             resource == "serviceaccounts")
        changed_config_.insert(event.key.ns);
    else
        return;
    refresh_soon();
}

void PodManager::stop() {
    Controller::stop();
    for (const auto& [uid, worker] : workers_) worker->forget();
}

// What runs without an object: the pod was deleted by force while the cluster was down.
void PodManager::drop_unknown_directories() {
    std::set<std::string> known;
    for (const auto& pod : store().list("pods")) known.insert(uid_of(*pod));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(node_->options.state_dir + "/pods", error)) {
        if (known.contains(entry.path().filename().string())) continue;
        const auto directory = entry.path().string();
        signal_pod(directory, SIGKILL);
        asio::post(node_->blocking, [directory] {
            std::error_code ignored;
            fs::remove_all(directory, ignored);
        });
    }
}

void PodManager::reconcile(const ObjectKey& key) {
    const auto pod = store().get(key);
    const auto uid = pod ? uid_of(*pod) : std::string();
    for (const auto& [known, worker] : workers_)
        if (known != uid && !worker->is_orphan() && name_of(*worker->pod()) == key.name &&
            namespace_of(*worker->pod()) == key.ns)
            worker->orphan();
    if (!pod) return;
    const auto assigned = text_at(*pod, "spec.nodeName");
    if (assigned.empty() && !is_terminating(*pod)) {
        // The change comes back here as an event.
        (void)store().mutate(key, [](Object& p) {
            p["spec"]["nodeName"] = node_name;
            set_condition(p["status"]["conditions"], "PodScheduled", "True");
        });
        return node_->events.normal(*pod, "default-scheduler", "Scheduled",
                                    fmt::format("Successfully assigned {}/{} to {}", key.ns, key.name, node_name));
    }
    if (assigned == node_name || is_terminating(*pod)) admit(pod);
}

void PodManager::admit(const ObjectPtr& pod) {
    const auto uid = uid_of(*pod);
    if (const auto it = workers_.find(uid); it != workers_.end()) return it->second->update(pod);
    PodWorker::Hooks hooks;
    hooks.is_claim_held = [this](const PodWorker& asking, const std::string& claim) {
        return std::ranges::any_of(workers_, [&](const auto& entry) {
            const auto& other = *entry.second;
            return &other != &asking && other.is_orphan() && other.has_running_containers() &&
                   namespace_of(*other.pod()) == namespace_of(*asking.pod()) && other.uses_claim(claim);
        });
    };
    hooks.on_gone = [this](const std::string& gone) {
        // Not at once: the worker that says so is still at work.
        asio::post(node_->io, [this, node = node_, gone] {
            if (!node->stopped) workers_.erase(gone);
        });
    };
    auto worker = std::make_shared<PodWorker>(node_, pod, address_for(*pod), std::move(hooks));
    workers_[uid] = worker;
    worker->begin();
    worker->write_hosts(cluster_hosts(store(), namespace_of(*pod)));
}

std::string PodManager::address_for(const Object& pod) {
    if (auto text = read_file(node_->pod_directory(uid_of(pod)) + "/pod.json"))
        if (const auto record = parse_json(*text); record && record->is_object())
            if (auto address = record->value("address", ""); !address.empty()) return address;
    return addresses_.allocate([&](const std::string& address) {
        return std::ranges::any_of(workers_, [&](const auto& e) { return e.second->address() == address; });
    });
}

std::shared_ptr<PodWorker> PodManager::worker(const std::string& uid) const {
    const auto it = workers_.find(uid);
    return it == workers_.end() ? nullptr : it->second;
}

bool PodManager::is_claim_in_use(const std::string& ns, const std::string& claim) const {
    return std::ranges::any_of(workers_, [&](const auto& entry) {
        return namespace_of(*entry.second->pod()) == ns && entry.second->uses_claim(claim) &&
               entry.second->has_running_containers();
    });
}

void PodManager::refresh_soon() {
    if (std::exchange(refresh_posted_, true)) return;
    asio::post(node_->io, [this, node = node_] {
        if (!node->stopped) refresh();
    });
}

void PodManager::refresh() {
    refresh_posted_ = false;
    const bool names_changed = std::exchange(names_changed_, false);
    const auto changed = std::exchange(changed_config_, {});
    std::map<std::string, std::string> hosts;
    const auto workers = workers_;
    for (const auto& [uid, worker] : workers) {
        const auto ns = namespace_of(*worker->pod());
        if (names_changed) {
            auto [it, fresh] = hosts.try_emplace(ns);
            if (fresh) it->second = cluster_hosts(store(), ns);
            worker->write_hosts(it->second);
        }
        if (changed.contains(ns)) worker->config_changed();
    }
}

asio::awaitable<void> PodManager::stop_containers() {
    for (const auto& [uid, worker] : workers_) worker->stop_containers();
    asio::steady_timer timer(node_->io);
    while (std::ranges::any_of(workers_, [](const auto& e) { return e.second->has_running_containers(); })) {
        timer.expires_after(std::chrono::milliseconds(10));
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::localkube
