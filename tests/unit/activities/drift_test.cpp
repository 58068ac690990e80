#include "activities/drift.hpp"

#include "ha/model.hpp"
#include "kube/manifests.hpp"
#include "support/catch.hpp"

#include <algorithm>

using namespace toygres;
using namespace toygres::activities;
using namespace std::chrono_literals;

namespace {

const std::string ours = "11111111-2222-4333-8444-555555555555";
const std::string theirs = "99999999-2222-4333-8444-555555555555";
const Timestamp at = *parse_rfc3339("2026-03-01T12:00:00Z");
constexpr DriftPolicy plain{10min, false};

cms::OnRecord instance(const std::string& k8s_name, const std::string& state = "running") {
    ha::Record record;
    record.state = ha::State::single;
    record.primary = kube::member_name(k8s_name, 1);
    record.members = {record.primary};
    return {"id-" + k8s_name, k8s_name.substr(0, k8s_name.find('-')), k8s_name, "toygres", state, encode(record)};
}

ClusterObject object(const std::string& kind, const std::string& name, const std::string& k8s_name) {
    return {kind, name, "toygres", "uid-" + name, k8s_name, "id-" + k8s_name, ours, at - 1h, false};
}

// All that an instance of one member has.
std::vector<ClusterObject> objects_of(const std::string& k8s_name) {
    std::vector<ClusterObject> out;
    for (const auto& ref : kube::deletion_order(k8s_name, "toygres", 1))
        out.push_back(object(ref.kind, ref.name, k8s_name));
    return out;
}

DriftFacts sound(const std::string& k8s_name) {
    return {ours, {instance(k8s_name)}, objects_of(k8s_name), {{"health-" + k8s_name, at - 1h}}, {instance(k8s_name)},
            at};
}

const DriftFinding& only(const std::vector<DriftFinding>& findings) {
    REQUIRE(findings.size() == 1);
    return findings.front();
}

}  // namespace

TEST_CASE("drift: an instance that has all its objects and its monitor differs in nothing") {
    CHECK(judge_drift(sound("db-1a2b3c4d"), plain).empty());
}

TEST_CASE("drift: an object that is missing is told; a repair makes it, but for what the monitor makes by itself") {
    for (const auto& ref : kube::deletion_order("db-1a2b3c4d", "toygres", 1)) {
        INFO(ref.describe());
        auto facts = sound("db-1a2b3c4d");
        std::erase_if(facts.objects, [&](const ClusterObject& o) { return o.kind == ref.kind && o.name == ref.name; });
        const auto findings = judge_drift(facts, plain);
        const auto& found = only(findings);
        CHECK(found.type == "orphaned_cms");
        CHECK(found.object == ref.name);
        CHECK(found.instance == "db");
        const bool monitors = ref.kind == "Pod" || ref.kind == "StatefulSet" || ref.kind == "ConfigMap" ||
                              ref.kind == "PersistentVolumeClaim";
        const bool ca = ref.name == "db-1a2b3c4d-ca";
        CHECK(found.kept == (monitors ? std::optional<std::string>("monitor")
                             : ca     ? std::optional<std::string>("certificates")
                                      : std::nullopt));
    }
}

TEST_CASE("drift: objects of an instance that is being made or deleted are nobody's business") {
    for (const auto* state : {"creating", "deleting", "failed"}) {
        INFO(state);
        auto facts = sound("db-1a2b3c4d");
        facts.before = facts.after = {instance("db-1a2b3c4d", state)};
        facts.objects.resize(3);
        CHECK(judge_drift(facts, plain).empty());
    }
}

TEST_CASE("drift: what came or went while it was looked at is no finding") {
    auto facts = sound("db-1a2b3c4d");
    SECTION("an instance whose objects were listed before they were made") {
        facts.before.clear();
        facts.objects.clear();
    }
    SECTION("an instance that was deleted meanwhile") {
        facts.after = {instance("db-1a2b3c4d", "deleted")};
        facts.objects.resize(2);
    }
    SECTION("a standby that was added meanwhile") {
        auto grown = decode<ha::Record>(facts.after[0].record);
        grown.members.push_back("db-1a2b3c4d-2");
        facts.after[0].record = encode(grown);
    }
    CHECK(judge_drift(facts, plain).empty());
}

TEST_CASE("drift: an orphan is removed when it is old, this installation's, and holds no data") {
    DriftFacts facts{ours, {}, {object("Service", "gone-1a2b3c4d", "gone-1a2b3c4d")}, {}, {}, at};
    auto& o = facts.objects.front();
    const auto kept = [&](const DriftPolicy& policy = plain) {
        return only(judge_drift(facts, policy)).kept.value_or("");
    };
    CHECK(kept().empty());
    CHECK(only(judge_drift(facts, plain)).repair == "remove");
    o.created_at = at - 9min;
    CHECK(kept() == "too_young");
    CHECK(kept({1min, false}).empty());
    o.created_at = at - 1h;
    o.installation = theirs;
    CHECK(kept() == "other_installation");
    o.installation = "";
    CHECK(kept() == "other_installation");
    facts.after = {instance("gone-1a2b3c4d", "deleted")};
    CHECK(kept().empty());
    CHECK(only(judge_drift(facts, plain)).reason == "instance_deleted");
    o.instance_id = "another";
    CHECK(kept() == "other_installation");
}

TEST_CASE("drift: a volume stays without consent, and with it the Secrets of its instance") {
    const std::string gone = "gone-1a2b3c4d";
    DriftFacts facts{ours,
                     {},
                     {object("PersistentVolumeClaim", gone + "-1-data", gone), object("Secret", gone + "-ca", gone),
                      object("Service", gone, gone), object("Secret", "other-1a2b3c4d-ca", "other-1a2b3c4d")},
                     {},
                     {},
                     at};
    std::map<std::string, std::string> kept;
    for (const auto& f : judge_drift(facts, plain)) kept[f.object] = f.kept.value_or("");
    CHECK(kept ==
          std::map<std::string, std::string>{
              {gone + "-1-data", "volume"}, {gone + "-ca", "volume_stays"}, {gone, ""}, {"other-1a2b3c4d-ca", ""}});
    const auto all = judge_drift(facts, {10min, true});
    CHECK(std::ranges::none_of(all, [](const DriftFinding& f) { return f.kept.has_value(); }));
    CHECK(all.front().kind == "Service");
    CHECK(all[2].kind == "Secret");
}

TEST_CASE("drift: an object that names another instance is taken back; one of another installation is left alone") {
    auto facts = sound("db-1a2b3c4d");
    facts.objects.front().instance_id = "";
    const auto adopted = judge_drift(facts, plain);
    CHECK(only(adopted).reason == "foreign_owner");
    CHECK(only(adopted).repair == "apply");
    CHECK_FALSE(only(adopted).kept);
    facts.objects.front().installation = theirs;
    CHECK(only(judge_drift(facts, plain)).kept == "other_installation");
}

TEST_CASE("drift: an object that a live instance should not have is told and never removed") {
    auto facts = sound("db-1a2b3c4d");
    facts.objects.push_back(object("StatefulSet", "db-1a2b3c4d-7", "db-1a2b3c4d"));
    const auto findings = judge_drift(facts, plain);
    CHECK(only(findings).reason == "not_of_instance");
    CHECK(only(findings).kept == "live_instance");
    CHECK_FALSE(only(findings).repair);
}

TEST_CASE("drift: a member that is being removed, and the pod of a fenced one, are as they should be") {
    auto facts = sound("db-1a2b3c4d");
    auto record = decode<ha::Record>(facts.after[0].record);
    record.members.push_back("db-1a2b3c4d-2");
    record.fenced = {"db-1a2b3c4d-2"};
    record.standbys.emplace();
    (*record.standbys)["db-1a2b3c4d-3"].standing = ha::Standing::removed;
    facts.before[0].record = facts.after[0].record = encode(record);
    facts.objects.push_back(object("StatefulSet", "db-1a2b3c4d-2", "db-1a2b3c4d"));
    facts.objects.push_back(object("PersistentVolumeClaim", "db-1a2b3c4d-2-data", "db-1a2b3c4d"));
    facts.objects.push_back(object("PersistentVolumeClaim", "db-1a2b3c4d-3-data", "db-1a2b3c4d"));
    CHECK(judge_drift(facts, plain).empty());
}

TEST_CASE("drift: a monitor that is missing, and one of an instance that is no more") {
    auto facts = sound("db-1a2b3c4d");
    facts.monitors = {{"health-gone-1a2b3c4d", at}};
    const auto findings = judge_drift(facts, plain);
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].reason == "monitor_missing");
    CHECK(findings[0].object == "health-db-1a2b3c4d");
    CHECK(findings[0].repair == "start_monitor");
    CHECK(findings[1].reason == "monitor_surplus");
    CHECK(findings[1].object == "health-gone-1a2b3c4d");
    CHECK(findings[1].repair == "stop_monitor");
}
