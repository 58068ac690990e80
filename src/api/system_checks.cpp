#include "api/system_checks.hpp"

#include "api/database.hpp"
#include "cms/migrator.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;

constexpr int postgres_version_min = 130000;
constexpr int kubernetes_minor_min = 20;
constexpr auto skew_max = 2s;
constexpr std::int64_t disk_free_min_bytes = std::int64_t(1) << 30;
constexpr int connections_spare_min = 10;

Check ok(std::string name, std::string message) { return {std::move(name), CheckStatus::ok, std::move(message), {}}; }

Check warning(std::string name, std::string message, std::string advice) {
    return {std::move(name), CheckStatus::warning, std::move(message), std::move(advice)};
}

Check failed(std::string name, std::string message, std::string advice) {
    return {std::move(name), CheckStatus::failed, std::move(message), std::move(advice)};
}

Check version_of(const cms::DatabaseFacts& facts) {
    const auto found = "PostgreSQL " + facts.version;
    if (facts.in_recovery)
        return failed("database.version", found + ", a standby: it takes no writes",
                      "point --database-url at the primary, or add target_session_attrs=read-write to it");
    if (facts.version_number < postgres_version_min)
        return failed("database.version", found, "move the CMS to PostgreSQL 13 or a newer one");
    return ok("database.version", found);
}

Check schema_of(const cms::DatabaseFacts& facts) {
    const auto wanted = cms::latest_migration();
    const auto found = fmt::format("the schema is at migration {}", facts.schema_version);
    if (facts.schema_version < wanted)
        return failed("database.schema", fmt::format("{}, this release needs {}", found, wanted),
                      "run: toygres migrate --database-url URL");
    if (facts.schema_version > wanted)
        return warning("database.schema", fmt::format("{}, this release knows {}", found, wanted),
                       "a newer server has been here: bring this one to the same release");
    return ok("database.schema", found);
}

Check durability_of(const cms::DatabaseFacts& facts) {
    constexpr auto name = "database.durability";
    const auto found = fmt::format("fsync {}, full_page_writes {}, synchronous_commit {}", facts.fsync ? "on" : "off",
                                   facts.full_page_writes ? "on" : "off", facts.synchronous_commit);
    if (!facts.fsync || !facts.full_page_writes)
        return failed(name, found, "set fsync and full_page_writes to on: without them a crash can destroy the CMS");
    if (facts.synchronous_commit == "off")
        return failed(name, found,
                      "set synchronous_commit to on: without it a crash of the database takes back what was accepted");
    return ok(name, found);
}

Check space_of(const cms::DatabaseFacts& facts, std::optional<std::int64_t> disk_free_bytes) {
    const auto found = fmt::format("the database has {} MB", facts.size_bytes >> 20);
    if (!disk_free_bytes) return ok("database.space", found + "; the free space of its disk cannot be seen from here");
    const auto both = fmt::format("{}, {} MB of its disk are free", found, *disk_free_bytes >> 20);
    if (*disk_free_bytes < disk_free_min_bytes)
        return warning("database.space", both, "make room: a database whose disk is full stops");
    return ok("database.space", both);
}

Check connections_of(const cms::DatabaseFacts& facts) {
    const auto found = fmt::format("{} of {} sessions are taken", facts.connections, facts.connections_max);
    if (facts.connections_max - facts.connections < connections_spare_min)
        return warning("database.connections", found, "raise max_connections, or lower --database-connections");
    return ok("database.connections", found);
}

Check clock_of(Timestamp database, Timestamp here) {
    const auto skew = std::chrono::duration_cast<std::chrono::milliseconds>(database - here);
    const auto found = fmt::format("the database's clock is {} {} the server's",
                                   format_duration(std::chrono::abs(skew)), skew.count() < 0 ? "behind" : "ahead of");
    if (std::chrono::abs(skew) > skew_max)
        return warning("database.clock", found, "let both keep their time by NTP: times on record are the database's");
    return ok("database.clock", found);
}

std::optional<std::int64_t> free_bytes(const std::optional<std::string>& directory) {
    if (!directory) return std::nullopt;
    std::error_code error;
    const auto space = std::filesystem::space(*directory, error);
    return error ? std::nullopt : std::optional(static_cast<std::int64_t>(space.available));
}

asio::awaitable<void> check_database(const ApiServices& services, std::vector<Check>& out) {
    const auto facts = co_await query(services.pool, [](pg::Connection& db) { return cms::inspect_database(db); });
    const auto here = now();
    if (!facts) {
        out.push_back(failed("database.reachable", facts.error().message,
                             "see that the CMS runs, and that the server's --database-url and password are right"));
        co_return;
    }
    out.push_back(ok("database.reachable", "the CMS answers"));
    std::ranges::move(judge_database(*facts, here, free_bytes(facts->local_data_directory)), std::back_inserter(out));
}

// The number in "32" or "27+".
int minor_of(const Json& version) {
    const auto text = version.value("minor", std::string());
    int out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

Check judge_cluster(const Json& version) {
    const auto found = fmt::format("Kubernetes {}", version.value("gitVersion", std::string("of no version")));
    if (version.value("major", std::string()) == "1" && minor_of(version) < kubernetes_minor_min)
        return failed("kubernetes.version", found,
                      fmt::format("move to Kubernetes 1.{} or a newer one", kubernetes_minor_min));
    return ok("kubernetes.version", found);
}

asio::awaitable<Check> check_permissions(const ApiServices& services) {
    constexpr auto name = "kubernetes.permissions";
    std::vector<std::string> missing;
    for (const auto& permission : services.permissions) {
        const auto may = co_await services.kube.may(permission);
        if (!may)
            co_return warning(name, may.error().message,
                              "the cluster does not tell: compare the Role with deploy/kubernetes/base/role.yaml");
        if (!*may) missing.push_back(permission.describe());
    }
    if (!missing.empty())
        co_return failed(name, fmt::format("in {} it may not: {}", services.ns, fmt::join(missing, ", ")),
                         "apply the Role and RoleBinding of: toygres manifests");
    co_return ok(name, fmt::format("{} of {} are granted in {}", services.permissions.size(),
                                   services.permissions.size(), services.ns));
}

bool is_default_class(const Json& storage_class) {
    const auto annotations = storage_class.at("metadata").value("annotations", Json::object());
    return annotations.value("storageclass.kubernetes.io/is-default-class", std::string()) == "true";
}

Check unknown_class(const Error& error) {
    return warning("kubernetes.storage_class", error.message,
                   "it cannot be seen from here; with kubectl: kubectl get storageclass");
}

asio::awaitable<Check> check_named_class(kube::Client& kube, std::string wanted) {
    const auto found = co_await kube.get(kube::resource("StorageClass", "", wanted));
    if (found) co_return ok("kubernetes.storage_class", wanted + " is there");
    if (found.error().kind != ErrorKind::not_found) co_return unknown_class(found.error());
    co_return failed("kubernetes.storage_class", fmt::format("there is no storage class {}", wanted),
                     "make it, or start the server with another --storage-class");
}

asio::awaitable<Check> check_storage_class(const ApiServices& services) {
    if (services.storage_class) co_return co_await check_named_class(services.kube, *services.storage_class);
    const auto all = co_await services.kube.list(kube::resource("StorageClass", "", ""));
    if (!all) co_return unknown_class(all.error());
    const auto found = std::ranges::find_if(all->items, is_default_class);
    if (found != all->items.end())
        co_return ok("kubernetes.storage_class",
                     found->at("metadata").at("name").get<std::string>() + " is the cluster's default");
    co_return warning("kubernetes.storage_class", "the cluster has no default storage class",
                      "mark one as default, or name one with --storage-class: disks are bound to none otherwise");
}

asio::awaitable<void> check_cluster(const ApiServices& services, std::vector<Check>& out) {
    const auto version = co_await services.kube.version();
    if (!version) {
        out.push_back(failed("kubernetes.reachable", version.error().message,
                             "see that the cluster's API runs, and that the server's kubeconfig and credentials are "
                             "right"));
        co_return;
    }
    out.push_back(ok("kubernetes.reachable", services.kube.access().server + " answers"));
    out.push_back(judge_cluster(*version));
    out.push_back(co_await check_permissions(services));
    out.push_back(co_await check_storage_class(services));
}

Check check_runtime(const ApiServices& services) {
    if (services.readiness().runtime) return ok("server.runtime", "this server has its share of the work");
    return warning("server.runtime", "this server has no share of the work",
                   "right after a start that is so for some seconds; later, look for its errors in its log");
}

}  // namespace

std::vector<Check> judge_database(const cms::DatabaseFacts& facts, Timestamp local_now,
                                  std::optional<std::int64_t> disk_free_bytes) {
    return {version_of(facts),     schema_of(facts),
            durability_of(facts),  space_of(facts, disk_free_bytes),
            connections_of(facts), clock_of(facts.now, local_now)};
}

asio::awaitable<std::vector<Check>> check_system(const ApiServices& services) {
    std::vector<Check> out{check_runtime(services)};
    co_await check_database(services, out);
    co_await check_cluster(services, out);
    co_return out;
}

}  // namespace toygres::api
