#include "localkube/pod_worker.hpp"

#include "base/log.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_volumes.hpp"
#include "localkube/quick_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* token_mount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr const char* token_volume = "kube-api-access";

const Object& status_of(const Object& pod, const char* list, const std::string& container) {
    static const Object none = Object::object();
    for (const auto& status : list_at(pod, list))
        if (text_at(status, "name") == container) return status;
    return none;
}

}  // namespace

PodWorker::PodWorker(std::shared_ptr<NodeContext> node, ObjectPtr pod, std::string address, Hooks hooks)
    : node_(std::move(node)),
      pod_(std::move(pod)),
      uid_(uid_of(*pod_)),
      address_(std::move(address)),
      hooks_(std::move(hooks)),
      start_time_(text_at(*pod_, "status.startTime", kube_time())),
      timer_(node_->io) {}

void PodWorker::begin() {
    std::error_code error;
    const auto directory = node_->pod_directory(uid_);
    fs::create_directories(directory, error);
    ::chmod(directory.c_str(), 0711);
    const Object record = {{"namespace", namespace_of(*pod_)},
                           {"name", name_of(*pod_)},
                           {"address", address_},
                           {"grace_seconds", int_at(*pod_, "spec.terminationGracePeriodSeconds", 30)}};
    if (auto written = replace_file(directory + "/pod.json", record.dump(), 0600); !written)
        log::error("pod.unwritable", {{"pod", name_of(*pod_)}, {"error", written.error().message}});
    const auto spec = effective(*pod_)["spec"];
    const auto make = [&](const Object& container, bool init) {
        auto made = std::make_shared<Container>(node_, pod_, container, init, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->schedule();
        });
        made->adopt(status_of(*pod_, init ? "status.initContainerStatuses" : "status.containerStatuses", made->name()),
                    address_);
        return made;
    };
    for (const auto& container : list_at(spec, "initContainers")) init_.push_back(make(container, true));
    for (const auto& container : list_at(spec, "containers")) main_.push_back(make(container, false));
    schedule();
}

// The pod with what a real API server's admission adds: the service account's token.
Object PodWorker::effective(const Object& pod) const {
    auto out = pod;
    auto& spec = out["spec"];
    const auto ns = namespace_of(pod);
    const auto account = node_->store.get({"serviceaccounts", ns, text_at(pod, "spec.serviceAccountName", "default")});
    if (!flag_at(spec, "automountServiceAccountToken",
                 !account || flag_at(*account, "automountServiceAccountToken", true)))
        return out;
    bool mounted = false;
    for (const char* list : {"initContainers", "containers"})
        if (spec.contains(list))
            for (auto& container : spec[list]) {
                const auto& mounts = list_at(container, "volumeMounts");
                if (std::ranges::any_of(mounts, [](const auto& m) { return text_at(m, "mountPath") == token_mount; }))
                    continue;
                container["volumeMounts"].push_back(
                    {{"name", token_volume}, {"mountPath", token_mount}, {"readOnly", true}});
                mounted = true;
            }
    if (!mounted) return out;
    const Object field = {{"path", "namespace"}, {"fieldRef", {{"fieldPath", "metadata.namespace"}}}};
    const Object ca = {{"key", "ca.crt"}, {"path", "ca.crt"}};
    const Object sources = Object::array(
        {{{"serviceAccountToken", {{"path", "token"}}}},
         {{"configMap", {{"name", "kube-root-ca.crt"}, {"items", Object::array({ca})}, {"optional", true}}}},
         {{"downwardAPI", {{"items", Object::array({field})}}}}});
    spec["volumes"].push_back({{"name", token_volume}, {"projected", {{"sources", sources}}}});
    return out;
}

void PodWorker::update(ObjectPtr pod) {
    pod_ = std::move(pod);
    schedule();
}

void PodWorker::orphan() {
    orphan_ = true;
    for (const auto* list : {&init_, &main_})
        for (const auto& container : *list) container->kill();
    schedule();
}

void PodWorker::config_changed() {
    if (finished_ || is_terminating(*pod_)) return;
    if (prepared_) {
        // What is mounted follows its source; a source that went leaves the last content in place.
        if (auto volumes = lay_out_volumes(*node_, effective(*pod_)); volumes) volumes_ = *volumes;
    }
    schedule();
}

void PodWorker::stop_containers() {
    stopping_ = true;
    const std::chrono::seconds grace(int_at(*pod_, "spec.terminationGracePeriodSeconds", 30));
    for (const auto* list : {&init_, &main_})
        for (const auto& container : *list) container->stop(grace);
}

void PodWorker::forget() {
    timer_.cancel();
    for (const auto* list : {&init_, &main_})
        for (const auto& container : *list) container->forget();
}

bool PodWorker::has_running_containers() const {
    const auto running = [](const auto& c) { return c->is_running(); };
    return std::ranges::any_of(init_, running) || std::ranges::any_of(main_, running);
}

bool PodWorker::uses_claim(const std::string& claim) const {
    return std::ranges::any_of(list_at(*pod_, "spec.volumes"),
                               [&](const auto& v) { return text_at(v, "persistentVolumeClaim.claimName") == claim; });
}

std::shared_ptr<Container> PodWorker::container(const std::string& name) const {
    if (name.empty()) return main_.empty() ? nullptr : main_.front();
    for (const auto* list : {&main_, &init_})
        for (const auto& container : *list)
            if (container->name() == name) return container;
    return nullptr;
}

void PodWorker::write_hosts(const std::string& common) {
    const auto hostname = text_at(*pod_, "spec.hostname", name_of(*pod_));
    const auto subdomain = text_at(*pod_, "spec.subdomain");
    std::string own = hostname;
    if (!subdomain.empty())
        own = fmt::format("{0}.{1}.{2}.svc.cluster.local {0}", hostname, subdomain, namespace_of(*pod_));
    auto text = fmt::format("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{}\n{}", address_,
                            own, common);
    if (text == hosts_) return;
    // In place, not by rename: the containers hold this very file.
    const Descriptor file(
        ::open((node_->pod_directory(uid_) + "/hosts").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (file && ::pwrite(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
        ::ftruncate(file.get(), static_cast<off_t>(text.size())) == 0)
        hosts_ = std::move(text);
}

void PodWorker::schedule() {
    if (std::exchange(scheduled_, true)) return;
    asio::post(node_->io, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->node_->stopped) return;
        self->scheduled_ = false;
        self->sync();
    });
}

void PodWorker::schedule_after(std::chrono::milliseconds delay) {
    const auto at = std::chrono::steady_clock::now() + delay;
    if (timer_.expiry() > std::chrono::steady_clock::now() && timer_.expiry() <= at) return;
    timer_.expires_at(at);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (!error && self) self->schedule();
    });
}

void PodWorker::sync() {
    if (finished_) return;
    if (orphan_ || is_terminating(*pod_)) return terminate();
    if (stopping_) return write_status();
    const auto phase = text_at(*pod_, "status.phase");
    const bool over = phase == "Succeeded" || phase == "Failed";
    if (!over && !check_deadline() && prepare() && run_init_containers()) {
        for (const auto& container : main_)
            if (!container->is_running()) start_if_due(*container);
    }
    write_status();
}

bool PodWorker::prepare() {
    if (prepared_) return true;
    for (const auto& volume : list_at(*pod_, "spec.volumes")) {
        const auto claim = text_at(volume, "persistentVolumeClaim.claimName");
        if (!claim.empty() && hooks_.is_claim_held(*this, claim)) {
            schedule_after(20ms);
            return false;
        }
    }
    auto volumes = lay_out_volumes(*node_, effective(*pod_));
    if (!volumes) {
        if (volume_problem_ != volumes.error().message)
            node_->events.warning(*pod_, "kubelet", "FailedMount",
                                  "MountVolume.SetUp failed: " + volumes.error().message);
        volume_problem_ = volumes.error().message;
        schedule_after(2s);
        return false;
    }
    volumes_ = *std::move(volumes);
    prepared_ = true;
    return true;
}

bool PodWorker::run_init_containers() {
    const bool main_ran = std::ranges::any_of(main_, [](const auto& c) { return c->has_run(); });
    for (const auto& container : init_) {
        if (container->has_ended() && container->exit_code() == 0) continue;
        // What was done before the machine went down is not done again under containers that already ran.
        if (main_ran && !container->is_running()) continue;
        if (!container->is_running()) start_if_due(*container);
        return false;
    }
    return true;
}

bool PodWorker::should_restart(const Container& container) const {
    const auto policy = text_at(*pod_, "spec.restartPolicy", "Always");
    const bool init = std::ranges::any_of(init_, [&](const auto& c) { return c.get() == &container; });
    if (policy == "Never") return false;
    return (policy == "Always" && !init) || container.exit_code() != 0;
}

bool PodWorker::start_if_due(Container& container) {
    if (container.has_ended() && !should_restart(container)) return false;
    if (const auto delay = container.retry_delay()) {
        if (container.has_ended())
            node_->events.warning(*pod_, "kubelet", "BackOff",
                                  fmt::format("Back-off restarting failed container {} in pod {}_{}({})",
                                              container.name(), name_of(*pod_), namespace_of(*pod_), uid_));
        schedule_after(*delay);
        return false;
    }
    auto pod = std::make_shared<Object>(*pod_);
    (*pod)["status"]["podIP"] = address_;
    (*pod)["status"]["hostIP"] = "127.0.0.1";
    container.start({pod, volumes_, address_});
    if (const auto delay = container.retry_delay(); delay && !container.is_running()) schedule_after(*delay);
    return true;
}

bool PodWorker::check_deadline() {
    const auto limit = int_at(*pod_, "spec.activeDeadlineSeconds");
    if (limit <= 0) return false;
    const auto began = parse_rfc3339(start_time_);
    const auto left = *began + std::chrono::seconds(limit) - now();
    if (left > 0ms) {
        schedule_after(left);
        return false;
    }
    failed_reason_ = "DeadlineExceeded";
    failed_message_ = "Pod was active on the node longer than the specified deadline";
    stop_containers();
    return true;
}

void PodWorker::terminate() {
    const auto grace = int_at(*pod_, "metadata.deletionGracePeriodSeconds", 30);
    const auto deadline = parse_rfc3339(text_at(*pod_, "metadata.deletionTimestamp"));
    // After a restart of the cluster only what is left of the grace counts.
    const auto left = deadline ? std::chrono::ceil<std::chrono::seconds>(*deadline - now()) + 1s : 0s;
    const auto wait = std::clamp<std::chrono::seconds>(left, 0s, std::chrono::seconds(grace));
    for (const auto* list : {&init_, &main_})
        for (const auto& container : *list) {
            if (!container->is_running()) continue;
            if (orphan_) {
                container->kill();
                continue;
            }
            if (announced_.insert(container->name()).second)
                node_->events.normal(*pod_, "kubelet", "Killing", "Stopping container " + container->name());
            container->stop(wait);
        }
    if (!has_running_containers()) return finish();
    if (!orphan_) write_status();
}

void PodWorker::finish() {
    finished_ = true;
    if (!orphan_) {
        write_status();
        // A finalizer on the pod holds the object, though nothing of it runs any more.
        const ObjectKey key{"pods", namespace_of(*pod_), name_of(*pod_)};
        if (list_at(*pod_, "metadata.finalizers").empty())
            node_->store.purge(key);
        else
            (void)node_->store.remove(key, 0);
    }
    asio::post(node_->blocking, [directory = node_->pod_directory(uid_),
                                 logs = node_->log_directory(namespace_of(*pod_), name_of(*pod_), uid_)] {
        std::error_code error;
        fs::remove_all(directory, error);
        fs::remove_all(logs, error);
    });
    hooks_.on_gone(uid_);
}

PodView PodWorker::view() const {
    PodView out{address_, start_time_, {}, {}, failed_reason_, failed_message_};
    for (const auto& container : init_) {
        out.init_containers.push_back(container->view());
        // Adopted containers may have outlived the record of what came before them.
        if (std::ranges::any_of(main_, [](const auto& c) { return c->has_run(); }))
            out.init_containers.back().ready = true;
    }
    const auto policy = text_at(*pod_, "spec.restartPolicy", "Always");
    for (const auto& container : main_) {
        auto view = container->view();
        // What does not run again waits for nothing.
        if (container->has_ended() && !should_restart(*container)) view.waiting_reason.clear();
        out.containers.push_back(std::move(view));
    }
    return out;
}

void PodWorker::write_status() {
    auto status = pod_status(*pod_, view());
    if (status == field_at(*pod_, "status")) return;
    auto written = node_->store.mutate({"pods", namespace_of(*pod_), name_of(*pod_)}, [&](Object& pod) {
        if (uid_of(pod) == uid_) pod["status"] = std::move(status);
    });
    if (written) pod_ = *written;
}

}  // namespace toygres::localkube
