#include "base/crypto.hpp"
#include "base/log.hpp"
#include "localkube/controllers.hpp"
#include "localkube/object_fields.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

constexpr const char* protection = "kubernetes.io/pvc-protection";
// How soon to look again at a claim that processes without a pod still use.
constexpr std::chrono::milliseconds look_again{20};
constexpr std::chrono::seconds provision_again{2};  // a volume that could not be made

class VolumeController : public Controller {
  public:
    VolumeController(std::shared_ptr<NodeContext> node,
                     std::function<bool(const std::string&, const std::string&)> is_in_use)
        : Controller(std::move(node)), is_in_use_(std::move(is_in_use)) {}

    void start() override { enqueue_all("persistentvolumeclaims"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "persistentvolumeclaims") enqueue(event.key);
        if (event.key.resource != "pods") return;
        for (const auto& volume : list_at(*event.object, "spec.volumes"))
            if (auto claim = text_at(volume, "persistentVolumeClaim.claimName"); !claim.empty())
                enqueue({"persistentvolumeclaims", event.key.ns, claim});
    }

  private:
    void reconcile(const ObjectKey& key) override {
        const auto claim = store().get(key);
        if (!claim) return;
        if (is_terminating(*claim)) return release(key, *claim);
        if (text_at(*claim, "status.phase") != "Bound") bind(key, *claim);
    }

    void bind(const ObjectKey& key, const Object& claim) {
        const auto path = node_->volume_directory(key.ns, key.name);
        std::error_code error;
        fs::create_directories(path, error);
        if (error || ::chmod(path.c_str(), 0777) != 0) {
            node_->events.warning(claim, "volume-controller", "ProvisioningFailed",
                                  path + ": " + (error ? error.message() : std::strerror(errno)));
            return enqueue_after(key, provision_again);
        }
        const auto volume = "pvc-" + uid_of(claim);
        const auto size = field_at(claim, "spec.resources.requests");
        Object spec = {{"capacity", size},
                       {"accessModes", list_at(claim, "spec.accessModes")},
                       {"persistentVolumeReclaimPolicy", "Delete"},
                       {"volumeMode", "Filesystem"},
                       {"hostPath", {{"path", path}, {"type", ""}}},
                       {"claimRef",
                        {{"apiVersion", "v1"},
                         {"kind", "PersistentVolumeClaim"},
                         {"namespace", key.ns},
                         {"name", key.name},
                         {"uid", uid_of(claim)}}}};
        const auto storage_class = text_at(claim, "spec.storageClassName");
        if (!storage_class.empty()) spec["storageClassName"] = storage_class;
        (void)store().create({"persistentvolumes", "", volume}, {{"apiVersion", "v1"},
                                                                 {"kind", "PersistentVolume"},
                                                                 {"metadata", {{"name", volume}}},
                                                                 {"spec", spec},
                                                                 {"status", {{"phase", "Bound"}}}});
        (void)store().mutate(key, [&](Object& c) {
            auto& finalizers = c["metadata"]["finalizers"];
            if (!finalizers.is_array()) finalizers = Object::array();
            if (std::ranges::find(finalizers, Object(protection)) == finalizers.end()) finalizers.push_back(protection);
            c["spec"]["volumeName"] = volume;
            c["status"]["phase"] = "Bound";
            c["status"]["capacity"] = size;
            c["status"]["accessModes"] = list_at(claim, "spec.accessModes");
        });
        node_->events.normal(claim, "volume-controller", "ProvisioningSucceeded",
                             "Successfully provisioned volume " + volume);
    }

    // A pod that is over holds nothing.
    bool is_used_by_a_pod(const ObjectKey& key) const {
        return std::ranges::any_of(store().list("pods", key.ns), [&](const ObjectPtr& pod) {
            const auto phase = text_at(*pod, "status.phase");
            if (phase == "Succeeded" || phase == "Failed") return false;
            return std::ranges::any_of(list_at(*pod, "spec.volumes"), [&](const auto& volume) {
                return text_at(volume, "persistentVolumeClaim.claimName") == key.name;
            });
        });
    }

    void release(const ObjectKey& key, const Object& claim) {
        const auto& finalizers = list_at(claim, "metadata.finalizers");
        if (std::ranges::find(finalizers, Object(protection)) == finalizers.end()) return;
        if (is_used_by_a_pod(key)) return;
        if (is_in_use_(key.ns, key.name)) return enqueue_after(key, look_again);
        // Renamed first: a new claim of the same name starts empty, however long the removal takes.
        const auto path = node_->volume_directory(key.ns, key.name);
        const auto trash = node_->options.state_dir + "/volumes/.removed-" + random_hex(16);
        std::error_code error;
        if (fs::exists(path, error)) fs::rename(path, trash, error);
        if (error) {
            log::error("volume.not_removed", {{"path", path}, {"error", error.message()}});
            return enqueue_after(key, std::chrono::seconds(5));
        }
        fs::remove(fs::path(path).parent_path(), error);  // the namespace's, when this was its last
        asio::post(node_->blocking, [trash] {
            std::error_code ignored;
            fs::remove_all(trash, ignored);
        });
        (void)store().remove({"persistentvolumes", "", "pvc-" + uid_of(claim)}, 0);
        (void)store().mutate(key, [](Object& c) {
            auto& list = c["metadata"]["finalizers"];
            list.erase(std::remove(list.begin(), list.end(), Object(protection)), list.end());
        });
    }

    std::function<bool(const std::string&, const std::string&)> is_in_use_;
};

}  // namespace

ControllerPtr make_volume_controller(std::shared_ptr<NodeContext> node,
                                     std::function<bool(const std::string& ns, const std::string& claim)> is_in_use) {
    return std::make_shared<VolumeController>(std::move(node), std::move(is_in_use));
}

}  // namespace toygres::localkube
