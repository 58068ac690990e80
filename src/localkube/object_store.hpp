// The embedded cluster's objects: in memory, written through to a file, watched. The one truth that the REST API and
// the controllers share. Synchronous and single-threaded: every call runs to its end on the cluster's io_context, so
// a read followed by a write without a co_await in between is atomic.
#pragma once
#include "base/json.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

using Object = Json;
using ObjectPtr = std::shared_ptr<const Object>;

// Where a kind lives: {"apps", "v1", "StatefulSet", "statefulsets", namespaced}. Group "" is the core group.
struct ResourceType {
    std::string group;
    std::string version;
    std::string kind;
    std::string plural;
    std::string singular;
    std::vector<std::string> short_names;
    bool namespaced;
};

// Every kind that the cluster knows. Two versions of a kind, such as policy/v1 and policy/v1beta1, are one resource,
// stored as v1.
const std::vector<ResourceType>& resource_types();
const ResourceType* find_resource(std::string_view group, std::string_view version, std::string_view plural);
const ResourceType* find_kind(std::string_view kind);  // the preferred version

struct ObjectKey {
    std::string resource;  // plural: "pods"
    std::string ns;        // empty for cluster-wide kinds
    std::string name;
    auto operator<=>(const ObjectKey&) const = default;
};

enum class EventType { added, modified, deleted };

struct WatchEvent {
    EventType type;
    ObjectKey key;
    ObjectPtr object;  // as it is after the change; for `deleted`, as it was last (with the deletion's resourceVersion)
    ObjectPtr previous;  // as it was before; null for `added`
    std::uint64_t resource_version;
};

class ObjectStore {
  public:
    // Opens or makes the file. Throws ErrorException: internal/"store_unusable".
    explicit ObjectStore(const std::string& path);
    ~ObjectStore();
    ObjectStore(const ObjectStore&) = delete;
    ObjectStore& operator=(const ObjectStore&) = delete;

    // Fills uid, creationTimestamp, resourceVersion, generation. Error: conflict/"already_exists".
    Result<ObjectPtr> create(const ObjectKey& key, Object object);
    // Replaces the whole object; `generation` rises when spec changes. If the object carries a resourceVersion it must
    // be the current one (conflict/"stale_object"). An object whose deletionTimestamp is set and whose finalizers are
    // empty disappears. Error: not_found/"object_not_found".
    Result<ObjectPtr> update(const ObjectKey& key, Object object);
    // Read, change, write, without a resourceVersion check: for controllers. A change that changes nothing writes
    // nothing.
    Result<ObjectPtr> mutate(const ObjectKey& key, const std::function<void(Object&)>& change);
    // Sets deletionTimestamp and deletionGracePeriodSeconds when there are finalizers or grace > 0 (pods); removes at
    // once otherwise. Error: not_found/"object_not_found".
    Result<ObjectPtr> remove(const ObjectKey& key, int grace_seconds);
    // Removes without regard to finalizers or grace: the node's word that a pod is gone.
    void purge(const ObjectKey& key);

    ObjectPtr get(const ObjectKey& key) const;
    // Ordered by namespace and name. Empty ns: all namespaces.
    std::vector<ObjectPtr> list(const std::string& resource, const std::string& ns = {}) const;
    std::uint64_t resource_version() const;

    // Called synchronously after each change, in order. Unsubscribes when the handle goes.
    using Subscription = std::shared_ptr<void>;
    [[nodiscard]] Subscription subscribe(std::function<void(const WatchEvent&)> on_event);
    // What changed after `resource_version`, oldest first; nullopt when that is no longer known (410 Gone).
    std::optional<std::vector<WatchEvent>> since(std::uint64_t resource_version) const;

    class Impl;  // in object_store.cpp

  private:
    std::unique_ptr<Impl> impl_;
};

// The key of an object that carries kind and metadata. Error: invalid/"invalid_object".
Result<ObjectKey> key_of(const Object& object);

// Does a label selector ("a=b,c in (d,e),!f") match the object? Error: invalid/"invalid_selector".
Result<std::function<bool(const Object&)>> label_selector(std::string_view text);
// metadata.name, metadata.namespace, status.phase, spec.nodeName, … with =, == and !=.
Result<std::function<bool(const Object&)>> field_selector(std::string_view text);
// {"matchLabels": {...}, "matchExpressions": [...]} of a workload.
bool matches_selector(const Object& selector, const Object& labels);

}  // namespace toygres::localkube
