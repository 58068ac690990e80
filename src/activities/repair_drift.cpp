#include "activities/repair_drift.hpp"

#include "activities/apply_secrets.hpp"
#include "activities/drift.hpp"
#include "activities/instance_services.hpp"
#include "base/crash_point.hpp"
#include "cms/audit.hpp"
#include "cms/instances.hpp"
#include "cms/watched.hpp"
#include "ha/model.hpp"
#include "kube/inspect.hpp"
#include "kube/watch.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t actions_max = 200;
constexpr std::chrono::milliseconds gone_patience = 2min;
constexpr std::chrono::milliseconds address_patience = 45s;

struct Subject {
    kube::InstanceSpec spec;
    ha::Record record;
};

asio::awaitable<Subject> load(InstanceServices& services, std::string instance) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    const auto shown = value_or_raise(co_await cms::get_instance(*lease, instance));
    const auto row = value_or_raise(co_await cms::get_watched(*lease, instance));
    if (row.state != "running")
        raise(ErrorKind::conflict, "instance_not_running", fmt::format("{} is {}", row.name, row.state));
    auto record = decode<ha::Record>(row.replication.record);
    auto spec = services.spec({instance, row.name, shown.k8s_name, shown.ns, row.postgres_version, row.storage_size_gb,
                               row.use_load_balancer, static_cast<int>(record.members.size())},
                              row.placement);
    co_return Subject{std::move(spec), std::move(record)};
}

void expect_ours(const InstanceServices& services, const Json& object) {
    const auto label = kube::text_at(object, "/metadata/labels/toygres.io~1installation");
    if (!label.empty() && label != services.installation())
        raise(
            ErrorKind::conflict, "other_installation",
            fmt::format("{} carries the label of the installation {}", kube::text_at(object, "/metadata/name"), label));
}

// Its labels and annotations alone: the rest is as somebody wants it, or the monitor's.
asio::awaitable<void> adopt(InstanceServices& services, kube::ResourceRef ref, Json wanted) {
    const auto& metadata = wanted.at("metadata");
    value_or_raise(co_await services.kube.patch(
        ref, kube::PatchType::merge,
        {{"metadata", {{"labels", metadata.at("labels")}, {"annotations", metadata.at("annotations")}}}}));
}

// A Service that is new has a new address.
asio::awaitable<void> keep_endpoint(InstanceServices& services, Subject subject) {
    const auto& spec = subject.spec;
    const auto ref = kube::resource("Service", spec.ns, kube::rw_service(spec.k8s_name));
    const auto service =
        value_or_raise(co_await kube::wait_until(services.kube, ref, kube::service_has_address, address_patience));
    services.forget(spec.k8s_name);
    auto lease = value_or_raise(co_await services.pool->acquire());
    value_or_raise(
        co_await cms::set_endpoint(*lease, spec.instance_id, kube::service_address(service).value_or(""),
                                   fmt::format("{}.{}.svc.cluster.local", kube::rw_service(spec.k8s_name), spec.ns)));
}

Json pick(const std::vector<Json>& objects, const kube::ResourceRef& ref) {
    const auto it = std::ranges::find_if(objects, [&](const Json& object) {
        return kube::text_at(object, "/kind") == ref.kind && kube::text_at(object, "/metadata/name") == ref.name;
    });
    if (it == objects.end())
        raise(ErrorKind::not_found, "no_such_object", fmt::format("no instance has the object {}", ref.describe()));
    return *it;
}

asio::awaitable<bool> is_there(InstanceServices& services, kube::ResourceRef ref) {
    const auto found = co_await services.kube.get(std::move(ref));
    if (!found && found.error().kind != ErrorKind::not_found) throw ErrorException(found.error());
    co_return found.has_value();
}

asio::awaitable<void> make_secret(InstanceServices& services, kube::InstanceSpec spec) {
    const auto secret = [&](const std::string& name) { return kube::resource("Secret", spec.ns, name); };
    const bool has_ca = co_await is_there(services, secret(kube::ca_secret(spec.k8s_name)));
    if (!has_ca && co_await is_there(services, secret(kube::tls_secret(spec.k8s_name))))
        raise(ErrorKind::conflict, "ca_lost",
              fmt::format("the certificates of {} are signed by a CA whose key is lost", spec.name));
    co_await create_secrets(services, spec, std::nullopt);
    services.forget_certificates(spec.k8s_name);
}

asio::awaitable<Json> wanted_object(InstanceServices& services, Subject subject, kube::ResourceRef ref) {
    // Of the Secrets' templates the metadata alone is of use: their values are drawn.
    if (ref.kind == "Secret")
        co_return pick(
            value_or_raise(kube::secret_objects(services.templates, subject.spec, kube::make_secrets(subject.spec))),
            ref);
    co_return pick(
        value_or_raise(kube::instance_objects(services.templates, subject.spec, ha::topology_of(subject.record))), ref);
}

std::string object_of(const DriftFinding& finding) {
    return finding.kind == "Monitor" ? finding.object : finding.kind + " " + finding.object;
}

}  // namespace

asio::awaitable<FindDrift::Output> FindDrift::run(runtime::ActivityContext& ctx, Input in) {
    auto found = co_await find_drift(ctx.service<InstanceServices>(), in.ns,
                                     {std::chrono::milliseconds(in.grace_ms), in.remove_volumes});
    std::erase_if(found, [](const DriftFinding& f) { return !f.repair || f.kept; });
    const bool more = found.size() > actions_max;
    if (more) found.resize(actions_max);
    co_return Output{std::move(found), more};
}

asio::awaitable<RestoreObject::Output> RestoreObject::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto subject = co_await load(services, in.instance);
    const auto ref = kube::resource(in.kind, subject.spec.ns, in.object);
    auto wanted = co_await wanted_object(services, subject, ref);
    const auto present = co_await services.kube.get(ref);
    if (!present && present.error().kind != ErrorKind::not_found) throw ErrorException(present.error());
    if (present) {
        expect_ours(services, *present);
        co_await adopt(services, ref, std::move(wanted));
    } else if (in.kind == "Secret") {
        co_await make_secret(services, subject.spec);
    } else {
        value_or_raise(co_await services.kube.apply(std::move(wanted)));
    }
    crash_point("effect.repair");
    // Also when an attempt was broken off after it had made it.
    if (in.kind == "Service" && in.object == kube::rw_service(subject.spec.k8s_name))
        co_await keep_endpoint(services, subject);
    co_return Output{present ? "adopted" : "applied"};
}

asio::awaitable<RemoveOrphan::Output> RemoveOrphan::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto ref = kube::resource(in.kind, in.ns, in.object);
    const auto present = co_await services.kube.get(ref);
    if (!present && present.error().kind == ErrorKind::not_found) co_return Nothing{};
    const auto& object = value_or_raise(present);
    expect_ours(services, object);
    {
        auto lease = value_or_raise(co_await services.pool->acquire());
        for (const auto& row : value_or_raise(co_await cms::list_on_record(*lease, {})))
            if (row.k8s_name == in.k8s_name)
                raise(ErrorKind::conflict, "instance_on_record",
                      fmt::format("{} {} is of {}, which is {}", in.kind, in.object, row.name, row.state));
    }
    value_or_raise(co_await services.kube.remove(ref, {.propagation = kube::Propagation::background, .uid = in.uid}));
    value_or_raise(co_await kube::wait_gone(services.kube, ref, gone_patience, in.uid));
    crash_point("effect.repair");
    co_return Nothing{};
}

asio::awaitable<BeginRepair::Output> BeginRepair::run(runtime::StepContext& ctx, Input in) {
    const auto entry = value_or_raise(co_await cms::add_audit(ctx.sql(), {.caller = in.caller,
                                                                          .owner = {},
                                                                          .peer = ctx.orchestration(),
                                                                          .action = "drift." + *in.finding.repair,
                                                                          .object = object_of(in.finding),
                                                                          .outcome = "begun",
                                                                          .request_id = in.request_id}));
    co_return Output{entry};
}

asio::awaitable<EndRepair::Output> EndRepair::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    value_or_raise(
        co_await cms::end_audit(tx, in.entry, in.code ? "failed" : "done", in.code ? 500 : 200, in.code, std::nullopt));
    value_or_raise(
        co_await cms::add_drift(tx, {in.finding.type, in.finding.k8s_name, in.finding.uid.has_value(),
                                     in.finding.message, encode(in.finding), in.code ? std::string() : in.caller}));
    co_return Nothing{};
}

}  // namespace toygres::activities
