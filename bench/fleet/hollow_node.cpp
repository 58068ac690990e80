#include "fleet/hollow_node.hpp"

#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::bench {
namespace {

using localkube::Object;
using localkube::ObjectKey;

constexpr const char* instance_label = "toygres.io/instance";

// Keys with dots have no path.
std::string label_of(const Object& object, const char* label) {
    const auto& labels = localkube::field_at(object, "metadata.labels");
    return labels.is_object() ? labels.value(label, "") : "";
}

std::uint32_t number_of(const std::string& address) { return asio::ip::make_address_v4(address).to_uint(); }

Object running_status(const Object& spec, const std::string& address) {
    const auto since = localkube::kube_time();
    Object status = {{"phase", "Running"},
                     {"hostIP", "127.0.0.1"},
                     {"podIP", address},
                     {"podIPs", Object::array({{{"ip", address}}})},
                     {"startTime", since},
                     {"qosClass", "Burstable"},
                     {"containerStatuses", Object::array()}};
    for (const auto& container : localkube::list_at(spec, "containers"))
        status["containerStatuses"].push_back({{"name", localkube::text_at(container, "name")},
                                               {"image", localkube::text_at(container, "image")},
                                               {"ready", true},
                                               {"started", true},
                                               {"restartCount", 0},
                                               {"state", {{"running", {{"startedAt", since}}}}}});
    for (const char* type : {"PodScheduled", "Initialized", "ContainersReady", "Ready"})
        localkube::set_condition(status["conditions"], type, "True");
    return status;
}

}  // namespace

HollowNode::HollowNode(asio::io_context& io, localkube::ObjectStore& store)
    : io_(io), store_(store), pod_addresses_(1, 63, "hollow pods"), service_addresses_(64, 126, "hollow services") {
    subscription_ = store_.subscribe([this](const localkube::WatchEvent& event) { observe(event); });
}

const HollowNode::Place* HollowNode::at(std::uint32_t address) const {
    const auto it = places_.find(address);
    return it == places_.end() ? nullptr : &it->second;
}

// The store is in the middle of a change: what follows from it comes after.
void HollowNode::observe(const localkube::WatchEvent& event) {
    if (event.type != localkube::EventType::added) return;
    if (event.key.resource == "statefulsets") asio::post(io_, [this, key = event.key] { keep_pod(key); });
    if (event.key.resource == "services") asio::post(io_, [this, key = event.key] { keep_service(key); });
}

void HollowNode::keep_pod(const ObjectKey& set) {
    const auto object = store_.get(set);
    const ObjectKey key{"pods", set.ns, set.name + "-0"};
    if (!object || store_.get(key)) return;
    const auto& pod_template = localkube::field_at(*object, "spec.template");
    const auto address = pod_addresses_.allocate([&](const auto& a) { return places_.contains(number_of(a)); });
    Object pod = {{"apiVersion", "v1"},
                  {"kind", "Pod"},
                  {"metadata", pod_template.value("metadata", Object::object())},
                  {"spec", pod_template.value("spec", Object::object())}};
    pod["metadata"]["name"] = key.name;
    pod["metadata"]["namespace"] = key.ns;
    pod["metadata"]["ownerReferences"] = Object::array({localkube::controller_reference(*object)});
    pod["spec"]["nodeName"] = "hollow";
    pod["spec"]["hostname"] = key.name;
    pod["status"] = running_status(pod["spec"], address);
    places_[number_of(address)] = {key.ns, label_of(*object, instance_label), set.name};
    (void)store_.create(key, std::move(pod));
}

void HollowNode::keep_service(const ObjectKey& key) {
    const auto object = store_.get(key);
    if (!object || localkube::text_at(*object, "spec.clusterIP") == "None") return;
    const auto address = service_addresses_.allocate([&](const auto& a) { return places_.contains(number_of(a)); });
    const bool balanced = localkube::text_at(*object, "spec.type") == "LoadBalancer";
    places_[number_of(address)] = {key.ns, label_of(*object, instance_label), {}};
    (void)store_.mutate(key, [&](Object& service) {
        service["spec"]["clusterIP"] = address;
        service["spec"]["clusterIPs"] = Object::array({address});
        if (balanced) service["status"]["loadBalancer"]["ingress"] = Object::array({{{"ip", address}}});
    });
}

asio::awaitable<Result<void>> HollowNode::logs(localkube::ObjectPtr, localkube::LogQuery,
                                               std::function<asio::awaitable<bool>(std::string_view)>) {
    co_return std::unexpected(Error{ErrorKind::not_found, "container_not_found", "a hollow pod has no containers"});
}

Result<std::unique_ptr<localkube::ExecSession>> HollowNode::exec(localkube::ObjectPtr, const std::string&,
                                                                 std::vector<std::string>, bool, bool) {
    return std::unexpected(Error{ErrorKind::not_found, "container_not_found", "a hollow pod has no containers"});
}

}  // namespace toygres::bench
