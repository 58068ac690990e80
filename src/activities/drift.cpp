#include "activities/drift.hpp"

#include "activities/instance_services.hpp"
#include "ha/model.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace toygres::activities {
namespace {

const std::string monitor_prefix = "health-";

using ByName = std::map<std::string, const cms::OnRecord*>;

ByName by_name(const std::vector<cms::OnRecord>& rows, bool deleted) {
    ByName out;
    for (const auto& row : rows)
        if ((row.state == "deleted") == deleted) out[row.k8s_name] = &row;
    return out;
}

ha::Record record_of(const cms::OnRecord& row) { return decode<ha::Record>(row.record); }

// What an instance has in the cluster while nothing happens to it.
std::vector<kube::ResourceRef> expected_objects(const cms::OnRecord& row) {
    auto out = kube::deletion_order(row.k8s_name, row.ns, 0);
    const auto record = record_of(row);
    for (const auto& member : record.members) {
        const auto number = ha::number_of(member);
        out.push_back(kube::resource("StatefulSet", row.ns, member));
        out.push_back(kube::resource("PersistentVolumeClaim", row.ns, kube::member_claim(row.k8s_name, number)));
        if (std::ranges::find(record.fenced, member) == record.fenced.end())
            out.push_back(kube::resource("Pod", row.ns, kube::member_pod(row.k8s_name, number)));
    }
    return out;
}

// The monitor makes these anew by itself, at the right moment of a failover, and from the record.
bool is_the_monitors(const std::string& kind) {
    return kind == "StatefulSet" || kind == "PersistentVolumeClaim" || kind == "ConfigMap" || kind == "Pod";
}

// Traffic goes first and the disks late; what is made anew is made the other way round.
int rank_of(const DriftFinding& finding) {
    const auto kinds = kube::swept_kinds();
    const auto at = static_cast<int>(std::ranges::find(kinds, finding.kind) - kinds.begin());
    const auto count = static_cast<int>(kinds.size());
    return finding.repair == "remove" ? count + at : count - at;
}

class Judge {
  public:
    Judge(const DriftFacts& facts, const DriftPolicy& policy)
        : facts_(facts),
          policy_(policy),
          before_(by_name(facts.before, false)),
          after_(by_name(facts.after, false)),
          deleted_(by_name(facts.after, true)) {
        for (const auto& o : facts.objects) {
            there_.emplace(o.kind, o.ns, o.name);
            if (o.kind == "PersistentVolumeClaim") with_volumes_.insert(o.k8s_name);
        }
    }

    std::vector<DriftFinding> findings() {
        for (const auto& object : facts_.objects) look_at(object);
        for (const auto& [k8s_name, row] : after_)
            if (runs_throughout(k8s_name)) look_at(*row);
        for (const auto& monitor : facts_.monitors) look_at(monitor);
        std::ranges::sort(out_, {}, [](const DriftFinding& f) { return std::tuple(f.k8s_name, rank_of(f), f.object); });
        return std::move(out_);
    }

  private:
    bool lives(const std::string& k8s_name) const { return before_.contains(k8s_name) || after_.contains(k8s_name); }

    // And its members did not change meanwhile.
    bool runs_throughout(const std::string& k8s_name) const {
        const auto was = before_.find(k8s_name);
        const auto is = after_.find(k8s_name);
        return was != before_.end() && is != after_.end() && was->second->state == "running" &&
               is->second->state == "running" && was->second->record == is->second->record &&
               !is->second->record.is_null();
    }

    void look_at(const ClusterObject& object) {
        if (!lives(object.k8s_name)) return add(orphan(object));
        if (object.kind == "Pod" || !runs_throughout(object.k8s_name)) return;
        const auto& row = *after_.at(object.k8s_name);
        if (is_surplus(object, row)) return add(surplus(object, row));
        const bool others = !object.installation.empty() && object.installation != facts_.installation;
        if (object.instance_id != row.id || others) add(foreign(object, row, others));
    }

    static bool is_surplus(const ClusterObject& object, const cms::OnRecord& row) {
        const auto expected = expected_objects(row);
        if (std::ranges::find(expected, kube::resource(object.kind, object.ns, object.name)) != expected.end())
            return false;
        for (const auto& member : ha::removed_members(record_of(row)))  // the monitor deletes these
            if (object.name == member || object.name == kube::member_claim(row.k8s_name, ha::number_of(member)))
                return false;
        return true;
    }

    static DriftFinding of(const ClusterObject& object, std::string type, std::string reason) {
        DriftFinding out{};
        out.type = std::move(type);
        out.reason = std::move(reason);
        out.kind = object.kind;
        out.object = object.name;
        out.ns = object.ns;
        out.k8s_name = object.k8s_name;
        out.uid = object.uid;
        out.created_at = object.created_at;
        return out;
    }

    static DriftFinding of(const cms::OnRecord& row, std::string type, std::string reason) {
        DriftFinding out{};
        out.type = std::move(type);
        out.reason = std::move(reason);
        out.ns = row.ns;
        out.k8s_name = row.k8s_name;
        out.instance = row.name;
        out.instance_id = row.id;
        return out;
    }

    static DriftFinding of_nobody(std::string k8s_name) {
        DriftFinding out{};
        out.type = "state_mismatch";
        out.reason = "monitor_surplus";
        out.k8s_name = std::move(k8s_name);
        return out;
    }

    DriftFinding orphan(const ClusterObject& object) const {
        const auto gone = deleted_.find(object.k8s_name);
        auto out = of(object, "orphaned_k8s", gone == deleted_.end() ? "no_instance" : "instance_deleted");
        if (gone != deleted_.end()) out.instance = gone->second->name;
        out.message = fmt::format("{} {} says that it is of {}, {}", object.kind, object.name, object.k8s_name,
                                  gone == deleted_.end() ? "which is not on record" : "which was deleted");
        out.repair = "remove";
        if (!is_ours(object))
            out.kept = "other_installation";
        else if (object.being_deleted)
            out.kept = "being_deleted";
        else if (facts_.read_at - object.created_at < policy_.grace)
            out.kept = "too_young";
        else if (object.kind == "PersistentVolumeClaim" && !policy_.remove_volumes)
            out.kept = "volume";
        else if (object.kind == "Secret" && with_volumes_.contains(object.k8s_name) && !policy_.remove_volumes)
            out.kept = "volume_stays";
        return out;
    }

    // What was made before there was a label belongs to the instance whose id it carries.
    bool is_ours(const ClusterObject& object) const {
        if (!object.installation.empty()) return object.installation == facts_.installation;
        const auto gone = deleted_.find(object.k8s_name);
        return gone != deleted_.end() && gone->second->id == object.instance_id;
    }

    static DriftFinding surplus(const ClusterObject& object, const cms::OnRecord& row) {
        auto out = of(object, "orphaned_k8s", "not_of_instance");
        out.instance = row.name;
        out.instance_id = row.id;
        out.message =
            fmt::format("{} {} carries the labels of {}, which has no such object", object.kind, object.name, row.name);
        out.kept = "live_instance";
        return out;
    }

    static DriftFinding foreign(const ClusterObject& object, const cms::OnRecord& row, bool others) {
        auto out = of(object, "state_mismatch", "foreign_owner");
        out.instance = row.name;
        out.instance_id = row.id;
        out.message = others ? fmt::format("{} {} is labelled as another installation's", object.kind, object.name)
                             : fmt::format("{} {} says that it is of instance {}, not of {} with the id {}",
                                           object.kind, object.name,
                                           object.instance_id.empty() ? "none" : object.instance_id, row.name, row.id);
        out.repair = "apply";
        if (others) out.kept = "other_installation";
        return out;
    }

    void look_at(const cms::OnRecord& row) {
        for (const auto& ref : expected_objects(row))
            if (!is_there(ref)) add(missing(ref, row));
        const auto wanted = monitor_prefix + row.k8s_name;
        if (std::ranges::find(facts_.monitors, wanted, &cms::Monitor::orchestration) != facts_.monitors.end()) return;
        auto out = of(row, "state_mismatch", "monitor_missing");
        out.kind = "Monitor";
        out.object = wanted;
        out.message = fmt::format("nobody watches over {}; the supervisor sees to it within half a minute", row.name);
        out.repair = "start_monitor";
        add(std::move(out));
    }

    bool is_there(const kube::ResourceRef& ref) const { return there_.contains({ref.kind, ref.ns, ref.name}); }

    DriftFinding missing(const kube::ResourceRef& ref, const cms::OnRecord& row) const {
        auto out = of(row, "orphaned_cms", "object_missing");
        out.kind = ref.kind;
        out.object = ref.name;
        out.message = fmt::format("{} {} of {} is not there", ref.kind, ref.name, row.name);
        out.repair = "apply";
        if (is_the_monitors(ref.kind)) out.kept = "monitor";
        const auto tls = kube::resource("Secret", row.ns, kube::tls_secret(row.k8s_name));
        if (ref.name == kube::ca_secret(row.k8s_name) && is_there(tls)) out.kept = "certificates";
        return out;
    }

    void look_at(const cms::Monitor& monitor) {
        const auto k8s_name = monitor.orchestration.substr(monitor_prefix.size());
        if (lives(k8s_name)) return;
        const auto gone = deleted_.find(k8s_name);
        auto out =
            gone == deleted_.end() ? of_nobody(k8s_name) : of(*gone->second, "state_mismatch", "monitor_surplus");
        out.kind = "Monitor";
        out.object = monitor.orchestration;
        out.created_at = monitor.created_at;
        out.message = fmt::format("{} watches over an instance that is not there", monitor.orchestration);
        out.repair = "stop_monitor";
        add(std::move(out));
    }

    void add(DriftFinding finding) { out_.push_back(std::move(finding)); }

    const DriftFacts& facts_;
    const DriftPolicy& policy_;
    ByName before_;
    ByName after_;
    ByName deleted_;
    std::set<std::string> with_volumes_;
    std::set<std::tuple<std::string, std::string, std::string>> there_;  // kind, namespace, name
    std::vector<DriftFinding> out_;
};

ClusterObject to_object(const std::string& kind, const Json& object) {
    return {kind,
            kube::text_at(object, "/metadata/name"),
            kube::text_at(object, "/metadata/namespace"),
            kube::text_at(object, "/metadata/uid"),
            kube::text_at(object, "/metadata/labels/toygres.io~1instance"),
            kube::text_at(object, "/metadata/annotations/toygres.io~1instance-id"),
            kube::text_at(object, "/metadata/labels/toygres.io~1installation"),
            parse_rfc3339(kube::text_at(object, "/metadata/creationTimestamp")).value_or(Timestamp{}),
            !kube::text_at(object, "/metadata/deletionTimestamp").empty()};
}

asio::awaitable<std::vector<cms::OnRecord>> on_record(InstanceServices& services, std::vector<std::string> names) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    co_return value_or_raise(co_await cms::list_on_record(*lease, std::move(names)));
}

asio::awaitable<DriftFacts> gather(InstanceServices& services, std::string ns) {
    DriftFacts out{};
    out.installation = services.installation();
    out.before = co_await on_record(services, {});
    std::set<std::string> namespaces{ns};
    for (const auto& row : out.before) namespaces.insert(row.ns);
    std::set<std::string> names;
    for (const auto& in_ns : namespaces)
        for (const auto& kind : kube::swept_kinds()) {
            const auto listing = value_or_raise(
                co_await services.kube.list(kube::resource(kind, in_ns, ""), {.labels = kube::managed_selector()}));
            for (const auto& object : listing.items) {
                out.objects.push_back(to_object(kind, object));
                names.insert(out.objects.back().k8s_name);
            }
        }
    {
        auto lease = value_or_raise(co_await services.pool->acquire());
        out.monitors = value_or_raise(co_await cms::list_monitors(*lease));
    }
    for (const auto& monitor : out.monitors) names.insert(monitor.orchestration.substr(monitor_prefix.size()));
    out.after = co_await on_record(services, {names.begin(), names.end()});
    out.read_at = now();
    co_return out;
}

}  // namespace

std::vector<DriftFinding> judge_drift(const DriftFacts& facts, const DriftPolicy& policy) {
    return Judge(facts, policy).findings();
}

asio::awaitable<std::vector<DriftFinding>> find_drift(InstanceServices& services, std::string ns, DriftPolicy policy) {
    const auto facts = co_await gather(services, std::move(ns));
    co_return judge_drift(facts, policy);
}

}  // namespace toygres::activities
