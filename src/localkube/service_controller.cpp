#include "localkube/addresses.hpp"
#include "localkube/controllers.hpp"
#include "localkube/endpoints.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/service_proxy.hpp"

#include <fmt/format.h>

#include <set>

namespace toygres::localkube {
namespace {

constexpr int node_port_first = 30000;
constexpr int node_port_last = 32767;
constexpr std::chrono::seconds listen_again{1};

class ServiceController : public Controller {
  public:
    explicit ServiceController(std::shared_ptr<NodeContext> node)
        : Controller(std::move(node)),
          cluster_ips_(96, 111, node_->options.state_dir),
          balancer_ips_(112, 126, node_->options.state_dir),
          proxy_(node_->io) {}

    void start() override { enqueue_all("services"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "services" || event.key.resource == "endpoints")
            enqueue({"services", event.key.ns, event.key.name});
        if (event.key.resource != "pods") return;
        for (const auto& service : store().list("services", event.key.ns))
            if (is_selected(*service, *event.object) || (event.previous && is_selected(*service, *event.previous)))
                enqueue({"services", event.key.ns, name_of(*service)});
    }

    void stop() override {
        Controller::stop();
        proxy_.stop();
    }

  private:
    void reconcile(const ObjectKey& key) override {
        auto service = store().get(key);
        const ObjectKey endpoints{"endpoints", key.ns, key.name};
        if (!service || is_terminating(*service)) {
            proxy_.set(key.ns + "/" + key.name, {});
            if (const auto left = store().get(endpoints); left && !service) (void)store().remove(endpoints, 0);
            return;
        }
        if (auto changed = give_addresses(key, *service)) service = changed;
        if (!field_at(*service, "spec.selector").empty()) {
            const auto subsets = endpoint_subsets(*service, store().list("pods", key.ns));
            if (!store().get(endpoints))
                (void)store().create(endpoints, {{"apiVersion", "v1"},
                                                 {"kind", "Endpoints"},
                                                 {"metadata", {{"labels", field_at(*service, "metadata.labels")}}}});
            (void)store().mutate(endpoints, [&](Object& object) {
                if (subsets.empty())
                    object.erase("subsets");
                else
                    object["subsets"] = subsets;
            });
        }
        listen(key, *service);
    }

    std::set<std::string> taken(const char* path) const {
        std::set<std::string> out;
        for (const auto& service : store().list("services")) {
            out.insert(text_at(*service, path));
            for (const auto& ingress : list_at(*service, "status.loadBalancer.ingress"))
                out.insert(text_at(ingress, "ip"));
        }
        return out;
    }

    ObjectPtr give_addresses(const ObjectKey& key, const Object& service) {
        const auto type = text_at(service, "spec.type", "ClusterIP");
        if (type == "ExternalName") return nullptr;
        const auto changed = store().mutate(key, [&](Object& object) {
            auto& spec = object["spec"];
            const auto used = taken("spec.clusterIP");
            const auto is_taken = [&](const std::string& address) { return used.contains(address); };
            if (text_at(spec, "clusterIP").empty()) {
                spec["clusterIP"] = cluster_ips_.allocate(is_taken);
                spec["clusterIPs"] = Object::array({spec["clusterIP"]});
            }
            if (type == "LoadBalancer") {
                if (list_at(object, "status.loadBalancer.ingress").empty())
                    object["status"]["loadBalancer"]["ingress"] =
                        Object::array({{{"ip", balancer_ips_.allocate(is_taken)}}});
            } else {
                object["status"]["loadBalancer"] = Object::object();
            }
            if (type == "NodePort")
                for (auto& port : spec["ports"])
                    if (int_at(port, "nodePort") == 0) port["nodePort"] = free_node_port();
        });
        return changed ? *changed : nullptr;
    }

    int free_node_port() {
        std::set<std::int64_t> used;
        for (const auto& service : store().list("services"))
            for (const auto& port : list_at(*service, "spec.ports")) used.insert(int_at(port, "nodePort"));
        while (used.contains(next_node_port_))
            next_node_port_ = next_node_port_ == node_port_last ? node_port_first : next_node_port_ + 1;
        return next_node_port_++;
    }

    void listen(const ObjectKey& key, const Object& service) {
        ServiceProxy::Targets wanted;
        const auto endpoints = store().get({"endpoints", key.ns, key.name});
        std::vector<std::string> addresses;
        if (const auto ip = text_at(service, "spec.clusterIP"); ip != "None") addresses.push_back(ip);
        for (const auto& ingress : list_at(service, "status.loadBalancer.ingress"))
            addresses.push_back(text_at(ingress, "ip"));
        for (const auto& port : list_at(service, "spec.ports")) {
            if (!endpoints || text_at(port, "protocol", "TCP") != "TCP") continue;
            const auto targets = targets_of(*endpoints, text_at(port, "name"));
            for (const auto& address : addresses)
                if (auto at = endpoint(address, int_at(port, "port"))) wanted[*at] = targets;
            if (const auto node_port = int_at(port, "nodePort"); node_port > 0)
                if (auto at = endpoint("127.0.0.1", node_port)) wanted[*at] = targets;
        }
        for (const auto& [address, why] : proxy_.set(key.ns + "/" + key.name, wanted)) {
            node_->events.warning(service, "service-proxy", "FailedToListen",
                                  fmt::format("{}:{}: {}", address.address().to_string(), address.port(), why));
            enqueue_after(key, listen_again);
        }
    }

    static std::optional<ServiceProxy::Endpoint> endpoint(const std::string& address, std::int64_t port) {
        boost::system::error_code error;
        const auto parsed = asio::ip::make_address(address, error);
        if (error || port <= 0) return std::nullopt;
        return ServiceProxy::Endpoint(parsed, static_cast<unsigned short>(port));
    }

    static std::vector<ServiceProxy::Endpoint> targets_of(const Object& endpoints, const std::string& port_name) {
        std::vector<ServiceProxy::Endpoint> out;
        for (const auto& subset : list_at(endpoints, "subsets"))
            for (const auto& port : list_at(subset, "ports")) {
                if (text_at(port, "name") != port_name) continue;
                for (const auto& address : list_at(subset, "addresses"))
                    if (auto target = endpoint(text_at(address, "ip"), int_at(port, "port"))) out.push_back(*target);
            }
        return out;
    }

    AddressPool cluster_ips_, balancer_ips_;
    ServiceProxy proxy_;
    int next_node_port_ = node_port_first;
};

}  // namespace

ControllerPtr make_service_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<ServiceController>(std::move(node));
}

}  // namespace toygres::localkube
