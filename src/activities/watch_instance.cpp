#include "activities/watch_instance.hpp"

#include "activities/instance_services.hpp"
#include "activities/member_objects.hpp"
#include "activities/member_watch.hpp"
#include "activities/trouble_note.hpp"
#include "base/crash_point.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "cms/watched.hpp"
#include "ha/model.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

// While nothing has come of a change for so long, looking once a second is often enough.
constexpr auto motion_max = 2min;
// A primary that has been silent for less is asked again before an operator is told that it does not serve.
constexpr std::int64_t unsure_max_ms = 2'000;
constexpr int conflicts_max = 5;  // with other writers of the topology, before the next look

struct Instance {
    std::string state;
    ha::Record record;
    ha::Policy policy;
    std::optional<ha::Request> request;
    std::optional<std::string> blocked;
    std::vector<ha::Alert> alerts;
    Timestamp changed_at;
    kube::InstanceSpec spec;
    Timestamp read_at;
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

    // By the database's clock, which decides of cooldowns and time-outs whatever this machine's says.
    Timestamp now() const {
        const auto since = std::chrono::steady_clock::now() - began;
        return read_at + std::chrono::duration_cast<std::chrono::milliseconds>(since);
    }
};

asio::awaitable<Instance> load(InstanceServices& services, const InstanceRef& ref) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    auto row = value_or_raise(co_await cms::get_watched(*lease, ref.instance));
    auto& stored = row.replication;
    auto record = decode<ha::Record>(stored.record);
    auto policy = decode<ha::Policy>(stored.policy);
    policy.paused_for_all = !row.automatic_failover;
    auto spec = services.spec({ref.instance, row.name, ref.k8s_name, ref.ns, row.postgres_version, row.storage_size_gb,
                               row.use_load_balancer, static_cast<int>(record.members.size())},
                              row.placement);
    co_return Instance{std::move(row.state),
                       std::move(record),
                       std::move(policy),
                       stored.request.is_null() ? std::nullopt : std::optional(decode<ha::Request>(stored.request)),
                       stored.blocked,
                       decode<std::vector<ha::Alert>>(stored.alerts),
                       stored.updated_at,
                       std::move(spec),
                       stored.read_at};
}

// While roles change every tenth of a second counts; otherwise the agents are asked once a second.
bool in_motion(const Instance& instance) {
    const auto& record = instance.record;
    if (instance.now() - instance.changed_at > motion_max) return false;
    const auto standbys = record.standbys.value_or(std::map<std::string, ha::Standby>());
    if (std::ranges::any_of(standbys, [](const auto& s) { return s.second.standing != ha::Standing::present; }))
        return true;
    return record.state != ha::State::single && record.state != ha::State::synced && record.state != ha::State::held &&
           record.state != ha::State::degraded &&
           !(record.state == ha::State::catching_up && record.mode == ha::Mode::async);
}

// The topology of the record, unless the cluster has it or a newer one. Two writers never undo each other: a write
// fails by the resourceVersion when another came between, which may have been nothing of ours (kube_conflict).
asio::awaitable<Result<void>> apply_topology_once(InstanceServices& services, const Instance& instance) {
    const auto ref = kube::resource("ConfigMap", instance.spec.ns, kube::topology_config_map(instance.spec.k8s_name));
    const auto wanted = ha::topology_of(instance.record);
    auto object = value_or_raise(kube::topology_object(services.templates, instance.spec, wanted));
    auto present = co_await services.kube.get(ref);
    if (!present && present.error().kind != ErrorKind::not_found) co_return std::unexpected(present.error());
    if (!present) {
        auto made = co_await services.kube.create(std::move(object));
        if (!made && made.error().code != "kube_already_exists") co_return std::unexpected(made.error());
        crash_point("effect.topology");
        co_return Result<void>();
    }
    const auto text = kube::text_at(*present, "/data/" + std::string(ha::topology_key));
    const auto there = ha::parse_topology(text);
    if (there && ha::reign_of(*there) > ha::reign_of(wanted)) co_return Result<void>();
    if (text == ha::format_topology(wanted)) {
        services.topologies.note_read(instance.spec.ns, instance.spec.k8s_name, text);
        co_return Result<void>();
    }
    object["metadata"]["resourceVersion"] = (*present)["metadata"]["resourceVersion"];
    auto written = co_await services.kube.replace(std::move(object));
    if (!written) co_return std::unexpected(written.error());
    crash_point("effect.topology");
    co_return Result<void>();
}

// While nothing changes, what was told of the cluster will do.
bool has_topology(InstanceServices& services, const Instance& instance) {
    const auto* told = services.topologies.told(instance.spec.ns, instance.spec.k8s_name);
    return told != nullptr && !in_motion(instance) && *told == ha::format_topology(ha::topology_of(instance.record));
}

asio::awaitable<Result<void>> apply_topology(InstanceServices& services, const Instance& instance) {
    if (has_topology(services, instance)) co_return Result<void>();
    auto applied = co_await apply_topology_once(services, instance);
    for (int again = 0; again < conflicts_max && !applied && applied.error().code == "kube_conflict"; ++again)
        applied = co_await apply_topology_once(services, instance);
    co_return applied;
}

// A Kubernetes API that has failed for a while is told of once; the alert ends with the first look that gets through.
bool look_for_outage(const Instance& instance, const Error& error, std::int64_t failing_ms,
                     WatchInstance::Output& out) {
    const bool told = std::ranges::any_of(instance.alerts, [](const ha::Alert& a) { return a.kind == "kubernetes"; });
    if (told || !error.retryable() || failing_ms < ha::trouble_alert_ms) return false;
    const auto trouble = kube::trouble_of(error);
    auto alerts = instance.alerts;
    alerts.push_back({"kubernetes", "", "the Kubernetes API does not serve: " + trouble.message, trouble.reason});
    out.alerts = encode(alerts);
    out.blocked = instance.blocked;
    out.blocked_is_news = true;
    return true;
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

// Who waits for an operation on this instance hears why a member does not come. The look does not wait for the CMS.
void tell_operations(InstanceServices& services, MemberWatch& watch, const std::string& orchestration,
                     const ha::Observation& seen) {
    const auto view = std::ranges::find_if(seen, [](const auto& m) { return m.second.trouble.has_value(); });
    auto trouble = view == seen.end() ? std::nullopt : view->second.trouble;
    if (trouble) trouble->message = fmt::format("{}: {}", view->first, trouble->message);
    if (watch.troubles().is_news(orchestration, trouble))
        asio::co_spawn(services.kube.executor(), note_trouble(services, orchestration, std::move(trouble)),
                       asio::detached);
}

// What calls for a step: an operator's request, granted or refused, or what is seen. false: nothing does.
bool look_for_event(const Instance& instance, const ha::Observation& seen, WatchInstance::Output& out) {
    const auto& [request, record] = std::tie(instance.request, instance.record);
    std::optional<ha::Event> event;
    const auto primary = seen.find(record.primary);
    const bool serves = primary != seen.end() && primary->second.down_ms == 0;
    const bool unsure = primary != seen.end() && !primary->second.status && !primary->second.gone &&
                        primary->second.silent_ms < unsure_max_ms;
    if (request && unsure) return false;
    if (request && !(serves && ha::waits_for_sync(*request, record, instance.now()))) {
        out.request = encode(*request);
        auto granted = ha::event_for(*request, record, seen);
        if (granted)
            event = *std::move(granted);
        else
            out.refusal = encode(granted.error());
    } else {
        event = ha::judge(record, seen, instance.policy, instance.now());
    }
    if (event && event->failover.empty()) event->failover = "fo-" + random_hex(16);
    if (event) out.event = encode(*event);
    return event || !out.refusal.is_null();
}

// What changes nothing and is to be told: a failover that is not made, alerts that begin or end.
bool look_for_news(const Instance& instance, const ha::Observation& seen, WatchInstance::Output& out) {
    out.blocked = ha::blocked_because(instance.record, seen, instance.policy, instance.now());
    const auto alerts = ha::alerts_of(instance.record, seen, instance.policy, instance.alerts);
    const auto same = [](const ha::Alert& a, const ha::Alert& b) {
        return a.kind == b.kind && a.member == b.member && a.reason == b.reason;
    };
    const bool alerts_changed = !std::ranges::equal(alerts, instance.alerts, same);
    out.alerts = alerts_changed ? encode(alerts) : Json();
    return alerts_changed || out.blocked != instance.blocked;
}

}  // namespace

asio::awaitable<WatchInstance::Output> WatchInstance::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto instance = co_await load(services, in.instance);
    const auto& record = instance.record;
    Output out{.state = enum_name(record.state), .epoch = record.epoch, .revision = record.revision};
    if (instance.state == "deleted" || instance.state == "deleting") co_return out;
    services.sessions.note_reign(in.instance.k8s_name, record.epoch);
    auto& watch = services.watch(in.instance);
    watch.note_policy(instance.policy);
    const auto applied = co_await apply_topology(services, instance);
    const auto failing_ms = watch.note_kubernetes(applied.has_value(), instance.began);
    if (!applied) {
        if (!look_for_outage(instance, applied.error(), failing_ms, out)) throw ErrorException(applied.error());
        co_return out;
    }
    MemberObjects objects(services, instance.spec);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(in.duration_ms);
    const auto nothing = out;
    for (bool doubtful = false;;) {
        const bool moving = in_motion(instance) || instance.request.has_value();
        auto seen = co_await watch.look(record, moving ? 20ms : 500ms, !moving && !doubtful);
        co_await watch.keep_labels(record, seen);
        co_await objects.keep(record, seen, watch.troubles());
        watch.troubles().see(record, seen);
        tell_operations(services, watch, ctx.orchestration(), seen);
        const bool event = look_for_event(instance, seen, out);
        // A step is taken on what members answer, never on what they have told.
        doubtful = event && watch.was_told();
        if (doubtful) {
            out = nothing;
            continue;
        }
        if (event) {
            out.evidence = in_short(seen);
            out.lag_bytes = lag_of(record, seen);
            co_return out;
        }
        const auto primary = seen.find(record.primary);
        const bool serves = primary != seen.end() && primary->second.down_ms == 0;
        const bool nothing_to_watch = record.state == ha::State::single && serves && !moving;
        const bool news = look_for_news(instance, seen, out);
        if (std::chrono::steady_clock::now() >= until || nothing_to_watch || news) {
            out.blocked_is_news = news;
            out.evidence = in_short(seen);
            out.lag_bytes = lag_of(record, seen);
            co_return out;
        }
        const bool stalls = primary != seen.end() && primary->second.unreplicated_ms > 0;
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        co_await watch.rest(std::min(left, moving || !serves ? 50ms : stalls ? 250ms : 1000ms));
    }
}

}  // namespace toygres::activities
