// What toygres may do in the cluster against what it did there, by the audit log of the API server. Runs after the
// other cases, which did much of it.
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "e2e/scenario.hpp"
#include "kube/certificates.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "real/installed_stack.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <sstream>

using namespace toygres;
using namespace toygres::test;

namespace {

using Permissions = std::set<std::string>;  // "apps/statefulsets: get"

constexpr auto finalizer = "toygres.io/test";

std::string permission(const std::string& group, const std::string& resource, const std::string& verb) {
    return fmt::format("{}{}: {}", group.empty() ? "" : group + "/", resource, verb);
}

Permissions granted_by(const Json& role) {
    Permissions out;
    for (const auto& rule : role.at("rules"))
        for (const auto& group : rule.at("apiGroups").get<Strings>())
            for (const auto& resource : rule.at("resources").get<Strings>())
                for (const auto& verb : rule.at("verbs").get<Strings>()) out.insert(permission(group, resource, verb));
    return out;
}

std::string audit_log() {
    return (std::filesystem::path(installed_stack().kubeconfig()).parent_path() / "audit.log").string();
}

struct Audit {
    Permissions used;
    std::vector<std::string> refused;
};

// Of the service accounts whose name passes; objects of a namespace only.
Audit audit_of(const std::function<bool(const std::string&)>& is_meant) {
    Audit out;
    std::istringstream lines(read_file(audit_log()).value());
    for (std::string line; std::getline(lines, line);) {
        const auto entry = parse_json(line);
        if (!entry || !entry->contains("objectRef") || !entry->contains("responseStatus")) continue;
        auto user = kube::text_at(*entry, "/user/username");
        user = user.substr(user.rfind(':') + 1);
        const auto& object = entry->at("objectRef");
        if (!is_meant(user) || !object.contains("namespace")) continue;
        auto resource = object.at("resource").get<std::string>();
        if (object.contains("subresource")) resource += "/" + object.at("subresource").get<std::string>();
        const auto asked = permission(object.value("apiGroup", ""), resource, entry->at("verb").get<std::string>());
        if (entry->at("responseStatus").at("code") == 403)
            out.refused.push_back(asked + " " + object.value("name", ""));
        else
            out.used.insert(asked);
        // Server-side apply of what is not there is a patch that needs the permission to create as well.
        if (entry->at("verb") == "patch" && entry->at("responseStatus").at("code") == 201)
            out.used.insert(permission(object.value("apiGroup", ""), resource, "create"));
    }
    return out;
}

std::string list_of(const Permissions& a, const Permissions& without) {
    std::string out;
    for (const auto& p : a)
        if (!without.contains(p)) out += p + "\n";
    return out;
}

std::vector<std::string> objects_with_finalizers(const Replicated& db) {
    std::vector<std::string> out;
    for (const auto& kind : kube::swept_kinds())
        for (const auto& object : installed_stack().list(kind, kube::instance_selector(db.k8s_name())))
            out.push_back(kind + " " + kube::text_at(object, "/metadata/name"));
    return out;
}

void set_finalizers(const std::string& object, const std::string& list) {
    const auto space = object.find(' ');
    shell(fmt::format(
        "KUBECONFIG={} kubectl -n toygres patch {} {} --type=merge -p '{{\"metadata\":{{\"finalizers\":{}}}}}'",
        installed_stack().kubeconfig(), object.substr(0, space), object.substr(space + 1), list));
}

// Deletes it while every object of it is held for a moment, so that the deletion has to wait for each kind.
void remove_slowly(const Replicated& db) {
    auto& stack = installed_stack();
    auto held = objects_with_finalizers(db);
    for (const auto& object : held) set_finalizers(object, fmt::format("[\"{}\"]", finalizer));
    const auto operation = stack.remove(db.name());
    Json last;
    REQUIRE(eventually(
        [&] {
            for (const auto& kind : kube::swept_kinds())
                for (const auto& object : stack.list(kind, kube::instance_selector(db.k8s_name())))
                    if (!kube::text_at(object, "/metadata/deletionTimestamp").empty() &&
                        object.at("metadata").contains("finalizers"))
                        set_finalizers(kind + " " + kube::text_at(object, "/metadata/name"), "null");
            last = parse_json(stack.call("GET", "/api/v1/operations/" + operation).body).value();
            return last.value("state", "") != "running";
        },
        400));
    INFO(last.dump());
    CHECK(last.at("state") == "succeeded");
    CHECK(db.objects().empty());
}

// Has the server exchange the certificates of an instance: another key than the certificate's is put there.
void renew_certificates(const Replicated& db) {
    auto& stack = installed_stack();
    const auto name = kube::tls_secret(db.k8s_name());
    const auto before = stack.secret(name, "tls.crt");
    const auto other = stack.secret(kube::ca_secret(db.k8s_name()), "ca.key");
    stack.kubectl(fmt::format("patch secret {} --type=merge -p '{{\"data\":{{\"client.key\":\"{}\"}}}}'", name,
                              base64_encode(other)));
    REQUIRE(eventually([&] {
        stack.call("POST", "/api/v1/orchestrations/certificates/signal", {{"name", "wake"}, {"payload", Json()}});
        return stack.secret(name, "tls.crt") != before;
    }));
}

}  // namespace

TEST_CASE("permissions: each that the server has is used, and none is missing", "[permissions]") {
    if (!std::filesystem::exists(audit_log())) {
        WARN("skipped: there is no audit log beside the kubeconfig");
        return;
    }
    auto& stack = installed_stack();
    const Replicated db(stack, "audited");
    REQUIRE(db.becomes_whole());
    CHECK(db.ask("switchover").at("state") == "succeeded");
    CHECK(stack.cli("logs audited").code == 0);
    renew_certificates(db);
    const auto agent = stack.object("Role", db.k8s_name());
    remove_slowly(db);

    const auto granted = granted_by(stack.object("Role", "toygres"));
    const auto server = audit_of([](const std::string& user) { return user == "toygres"; });
    INFO("never used:\n" << list_of(granted, server.used));
    CHECK(list_of(granted, server.used) == "");
    CHECK(list_of(server.used, granted) == "");
    INFO("refused: " << fmt::format("{}", fmt::join(server.refused, ", ")));
    CHECK(server.refused.empty());

    const auto agents = audit_of([](const std::string& user) { return user != "toygres"; });
    CHECK(list_of(granted_by(agent), agents.used) == "");
    CHECK(list_of(agents.used, granted_by(agent)) == "");
}

TEST_CASE("permissions: an agent reads its topology and nothing else", "[permissions]") {
    auto& stack = installed_stack();
    const Replicated db(stack, "modest", {{"replication", false}});
    const auto may = [&](const std::string& what) {
        return shell(fmt::format("KUBECONFIG={} kubectl -n toygres auth can-i {} --as=system:serviceaccount:toygres:{}",
                                 stack.kubeconfig(), what, db.k8s_name()))
                   .code == 0;
    };
    CHECK(may("watch configmap/" + kube::topology_config_map(db.k8s_name())));
    for (const auto* what : {"list configmaps", "get configmaps", "list secrets", "get secrets", "list pods",
                             "create pods", "patch configmaps", "get nodes"}) {
        INFO(what);
        CHECK_FALSE(may(what));
    }
    CHECK_FALSE(may("patch configmap/" + kube::topology_config_map(db.k8s_name())));
    CHECK(stack.wait_operation(stack.remove("modest")).at("state") == "succeeded");
}
