#include "localkube/controllers.hpp"
#include "localkube/object_fields.hpp"

namespace toygres::localkube {
namespace {

constexpr const char* foreground = "foregroundDeletion";

class GarbageCollector : public Controller {
  public:
    using Controller::Controller;

    void start() override {
        for (const auto& type : resource_types())
            for (const auto& object : store().list(type.plural)) {
                const ObjectKey key{type.plural, namespace_of(*object), name_of(*object)};
                note(key, nullptr, object);
                if (!list_at(*object, "metadata.ownerReferences").empty() || is_terminating(*object)) enqueue(key);
            }
    }

    void observe(const WatchEvent& event) override {
        const bool gone = event.type == EventType::deleted;
        note(event.key, event.previous, gone ? nullptr : event.object);
        const auto changed = gone || is_terminating(*event.object);
        if (changed) {
            // Its dependents lose an owner, its owners a dependent.
            if (const auto it = dependents_.find(uid_of(*event.object)); it != dependents_.end())
                for (const auto& dependent : it->second) enqueue(dependent);
            for (const auto& owner : list_at(*event.object, "metadata.ownerReferences"))
                if (const auto* type = find_kind(text_at(owner, "kind")))
                    enqueue({type->plural, type->namespaced ? event.key.ns : "", text_at(owner, "name")});
        }
        if (!gone && (changed || !list_at(*event.object, "metadata.ownerReferences").empty())) enqueue(event.key);
    }

  private:
    void note(const ObjectKey& key, const ObjectPtr& before, const ObjectPtr& after) {
        if (before)
            for (const auto& owner : list_at(*before, "metadata.ownerReferences")) {
                auto& dependents = dependents_[text_at(owner, "uid")];
                dependents.erase(key);
                if (dependents.empty()) dependents_.erase(text_at(owner, "uid"));
            }
        if (after)
            for (const auto& owner : list_at(*after, "metadata.ownerReferences"))
                dependents_[text_at(owner, "uid")].insert(key);
    }

    ObjectPtr owner_of(const Object& reference, const std::string& ns) const {
        const auto* type = find_kind(text_at(reference, "kind"));
        if (!type) return nullptr;
        const auto owner = store().get({type->plural, type->namespaced ? ns : "", text_at(reference, "name")});
        return owner && uid_of(*owner) == text_at(reference, "uid") ? owner : nullptr;
    }

    void reconcile(const ObjectKey& key) override {
        const auto object = store().get(key);
        if (!object) return;
        const auto& finalizers = list_at(*object, "metadata.finalizers");
        if (is_terminating(*object)) {
            if (std::ranges::find(finalizers, Object(foreground)) != finalizers.end()) finish_foreground(key, *object);
            return;
        }
        const auto& references = list_at(*object, "metadata.ownerReferences");
        if (references.empty()) return;
        Object standing = Object::array();
        bool is_called = false;  // an owner waits for it to go first
        for (const auto& reference : references) {
            const auto owner = owner_of(reference, key.ns);
            // Owners of kinds that this cluster lacks are nobody's to judge.
            if (!owner && find_kind(text_at(reference, "kind"))) continue;
            standing.push_back(reference);
            if (owner && is_terminating(*owner)) {
                const auto& held = list_at(*owner, "metadata.finalizers");
                is_called = is_called || std::ranges::find(held, Object(foreground)) != held.end();
            }
        }
        if (standing.empty() || (is_called && standing.size() == 1)) return delete_gently(store(), *object);
        if (standing.size() != references.size())
            (void)store().mutate(key, [&](Object& o) { o["metadata"]["ownerReferences"] = standing; });
    }

    void finish_foreground(const ObjectKey& key, const Object& object) {
        if (const auto it = dependents_.find(uid_of(object)); it != dependents_.end())
            for (const auto& dependent_key : it->second) {
                const auto dependent = store().get(dependent_key);
                if (!dependent) continue;
                for (const auto& reference : list_at(*dependent, "metadata.ownerReferences"))
                    if (text_at(reference, "uid") == uid_of(object) && flag_at(reference, "blockOwnerDeletion")) return;
            }
        (void)store().mutate(key, [](Object& o) {
            auto& list = o["metadata"]["finalizers"];
            list.erase(std::remove(list.begin(), list.end(), Object(foreground)), list.end());
        });
    }

    std::map<std::string, std::set<ObjectKey>> dependents_;  // by the owner's uid
};

}  // namespace

ControllerPtr make_garbage_collector(std::shared_ptr<NodeContext> node) {
    return std::make_shared<GarbageCollector>(std::move(node));
}

}  // namespace toygres::localkube
