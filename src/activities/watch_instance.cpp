#include "activities/watch_instance.hpp"

#include "activities/instance_services.hpp"
#include "activities/member_watch.hpp"
#include "base/crash_point.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "cms/instances.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"
#include "kube/inspect.hpp"

#include <algorithm>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

// A member without a pod for so long gets its objects applied again: somebody may have deleted them.
constexpr std::int64_t reapply_after_ms = 3'000;

struct Instance {
    cms::Instance row;
    ha::Record record;
    ha::Policy policy;
    std::optional<ha::Request> request;
    std::optional<std::string> blocked;
    kube::InstanceSpec spec;
};

asio::awaitable<Instance> load(InstanceServices& services, const InstanceRef& ref) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    auto row = value_or_raise(co_await cms::get_instance(*lease, ref.instance));
    auto stored = value_or_raise(co_await cms::get_replication(*lease, ref.instance));
    auto record = decode<ha::Record>(stored.record);
    auto spec = services.spec({ref.instance, row.name, ref.k8s_name, ref.ns, row.postgres_version, row.storage_size_gb,
                               row.use_load_balancer, static_cast<int>(record.members.size())});
    co_return Instance{std::move(row),
                       std::move(record),
                       decode<ha::Policy>(stored.policy),
                       stored.request.is_null() ? std::nullopt : std::optional(decode<ha::Request>(stored.request)),
                       stored.blocked,
                       std::move(spec)};
}

// The topology of the record, unless the cluster has it or a newer one. Two writers never undo each other: the older
// one's write fails by the resourceVersion.
asio::awaitable<void> apply_topology(InstanceServices& services, const Instance& instance) {
    const auto ref = kube::resource("ConfigMap", instance.spec.ns, kube::topology_config_map(instance.spec.k8s_name));
    const auto wanted = ha::topology_of(instance.record);
    auto object = value_or_raise(kube::topology_object(services.templates, instance.spec, wanted));
    auto present = co_await services.kube.get(ref);
    if (!present && present.error().kind != ErrorKind::not_found) throw ErrorException(present.error());
    if (!present) {
        auto made = co_await services.kube.create(std::move(object));
        if (!made && made.error().code != "kube_already_exists") throw ErrorException(made.error());
        crash_point("effect.topology");
        co_return;
    }
    const auto text = kube::text_at(*present, "/data/" + std::string(ha::topology_key));
    const auto there = ha::parse_topology(text);
    if (there && ha::reign_of(*there) > ha::reign_of(wanted)) co_return;
    if (text == ha::format_topology(wanted)) co_return;
    object["metadata"]["resourceVersion"] = (*present)["metadata"]["resourceVersion"];
    value_or_raise(co_await services.kube.replace(std::move(object)));
    crash_point("effect.topology");
}

asio::awaitable<void> reapply_vanished(InstanceServices& services, const Instance& instance,
                                       const ha::Observation& seen) {
    std::int64_t ordinal = 0;
    for (const auto& name : instance.record.members) {
        ++ordinal;
        const auto view = seen.find(name);
        if (view == seen.end() || !view->second.gone || view->second.silent_ms < reapply_after_ms) continue;
        const auto set = kube::resource("StatefulSet", instance.spec.ns, name);
        const auto present = co_await services.kube.get(set);
        if (present || present.error().kind != ErrorKind::not_found) continue;
        log::warning("member.reapplied", {{"member", name}});
        for (auto& object : value_or_raise(kube::member_objects(services.templates, instance.spec, ordinal)))
            value_or_raise(co_await services.kube.apply(std::move(object)));
    }
}

// While roles change every tenth of a second counts; otherwise the agents are asked once a second.
bool in_motion(const ha::Record& record) {
    return record.state != ha::State::single && record.state != ha::State::synced && record.state != ha::State::held &&
           record.state != ha::State::degraded &&
           !(record.state == ha::State::catching_up && record.mode == ha::Mode::async);
}

Json in_short(const ha::Observation& seen) {
    Json out = Json::object();
    for (const auto& [name, view] : seen) {
        auto& m = out[name];
        if (view.status) {
            const auto& s = *view.status;
            m = {{"role", enum_name(s.role)},
                 {"state", enum_name(s.state)},
                 {"ready", s.ready},
                 {"epoch", s.epoch},
                 {"revision", s.revision}};
            for (const auto& [key, lsn] : {std::pair{"flush_lsn", s.flush_lsn}, {"receive_lsn", s.receive_lsn}})
                if (lsn) m[key] = *lsn;
        } else {
            m = {{"silent_ms", view.silent_ms}, {"gone", view.gone}};
        }
        if (view.down_ms > 0) m["down_ms"] = view.down_ms;
        if (view.unreplicated_ms > 0) m["unreplicated_ms"] = view.unreplicated_ms;
    }
    return out;
}

std::optional<std::int64_t> lag_of(const ha::Record& record, const ha::Observation& seen) {
    const auto primary = seen.find(record.primary);
    if (primary == seen.end() || !primary->second.status || !primary->second.status->peers) return std::nullopt;
    const auto& status = *primary->second.status;
    const auto head = ha::parse_lsn(status.flush_lsn.value_or(""));
    std::optional<std::int64_t> worst;
    for (const auto& peer : *status.peers)
        if (const auto at = ha::parse_lsn(peer.flush_lsn.value_or("")); at && head)
            worst = std::max(worst.value_or(0), ha::bytes_between(*at, *head));
    return worst;
}

}  // namespace

asio::awaitable<WatchInstance::Output> WatchInstance::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto instance = co_await load(services, in.instance);
    const auto& record = instance.record;
    Output out{.state = enum_name(record.state), .epoch = record.epoch, .revision = record.revision};
    if (instance.row.state == "deleted" || instance.row.state == "deleting") co_return out;
    co_await apply_topology(services, instance);
    auto& watch = services.watch(in.instance);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(in.duration_ms);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        const bool moving = in_motion(record) || instance.request.has_value();
        const auto seen = co_await watch.look(record, moving ? 20ms : 500ms);
        co_await watch.keep_labels(record, seen);
        co_await reapply_vanished(services, instance, seen);
        std::optional<ha::Event> event;
        if (instance.request) {
            out.request = encode(*instance.request);
            auto granted = ha::event_for(*instance.request, record, seen);
            if (granted)
                event = *std::move(granted);
            else
                out.refusal = encode(granted.error());
        } else {
            event = ha::judge(record, seen, instance.policy, now());
        }
        if (event || !out.refusal.is_null()) {
            if (event && event->failover.empty()) event->failover = "fo-" + random_hex(16);
            if (event) out.event = encode(*event);
            out.evidence = in_short(seen);
            out.lag_bytes = lag_of(record, seen);
            co_return out;
        }
        out.blocked = ha::blocked_because(record, seen, instance.policy, now());
        const auto primary = seen.find(record.primary);
        const bool serves = primary != seen.end() && primary->second.down_ms == 0;
        const bool nothing_to_watch = record.state == ha::State::single && serves;
        if (std::chrono::steady_clock::now() >= until || nothing_to_watch || out.blocked != instance.blocked) {
            out.blocked_is_news = out.blocked != instance.blocked;
            out.evidence = in_short(seen);
            out.lag_bytes = lag_of(record, seen);
            co_return out;
        }
        const bool stalls = primary != seen.end() && primary->second.unreplicated_ms > 0;
        timer.expires_after(moving || !serves ? 50ms : stalls ? 250ms : 1000ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

}  // namespace toygres::activities
