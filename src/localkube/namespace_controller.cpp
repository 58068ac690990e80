#include "localkube/controllers.hpp"
#include "localkube/object_fields.hpp"

namespace toygres::localkube {
namespace {

constexpr const char* ca_config_map = "kube-root-ca.crt";

class NamespaceController : public Controller {
  public:
    using Controller::Controller;

    void start() override {
        for (const char* name : {"default", "kube-system"})
            (void)store().create({"namespaces", "", name},
                                 {{"apiVersion", "v1"},
                                  {"kind", "Namespace"},
                                  {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/metadata.name", name}}}}}});
        enqueue_all("namespaces");
    }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "namespaces") return enqueue(event.key);
        // Something left a namespace that is being emptied, or what each must have was taken away.
        if (event.type == EventType::deleted && !event.key.ns.empty()) enqueue({"namespaces", "", event.key.ns});
    }

  private:
    void reconcile(const ObjectKey& key) override {
        const auto ns = store().get(key);
        if (!ns) return;
        if (is_terminating(*ns)) return empty(key);
        (void)store().create({"serviceaccounts", key.name, "default"},
                             {{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", "default"}}}});
        (void)store().create({"configmaps", key.name, ca_config_map},
                             {{"apiVersion", "v1"},
                              {"kind", "ConfigMap"},
                              {"metadata", {{"name", ca_config_map}}},
                              {"data", {{"ca.crt", node_->options.api_ca_pem}}}});
        (void)store().mutate({"configmaps", key.name, ca_config_map},
                             [&](Object& config) { config["data"]["ca.crt"] = node_->options.api_ca_pem; });
    }

    void empty(const ObjectKey& key) {
        bool is_empty = true;
        for (const auto& type : resource_types()) {
            if (!type.namespaced) continue;
            for (const auto& object : store().list(type.plural, key.name)) {
                if (!is_terminating(*object)) delete_gently(store(), *object);
                is_empty = is_empty && !store().get({type.plural, key.name, name_of(*object)});
            }
        }
        if (is_empty) (void)store().mutate(key, [](Object& ns) { ns["spec"]["finalizers"] = Object::array(); });
    }
};

}  // namespace

ControllerPtr make_namespace_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<NamespaceController>(std::move(node));
}

}  // namespace toygres::localkube
