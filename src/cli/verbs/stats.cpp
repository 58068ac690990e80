#include "cli/verbs/verbs.hpp"
#include "cli/watch.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string title_of(std::string name) {
    if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    return name;
}

// "5 (50%)" of `total`; without it the figure alone.
std::string share(std::int64_t count, std::int64_t total) {
    if (total == 0) return std::to_string(count);
    return fmt::format("{} ({}%)", count, (count * 100 + total / 2) / total);
}

Lines counted(const Json& counts, std::initializer_list<const char*> names, std::int64_t total) {
    Lines out;
    for (const auto* name : names) out.emplace_back(title_of(name), share(counts.value(name, std::int64_t(0)), total));
    return out;
}

Lines counted(const Json& counts) {
    Lines out;
    for (const auto& [name, count] : counts.items()) out.emplace_back(name, count.dump());
    return out;
}

Lines with(Lines first, Lines more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
}

std::string duration_of(const Json& operations) {
    const auto seconds = operations.value("oldest_running_seconds", Json());
    if (!seconds.is_number()) return "";
    return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(seconds.get<double>() * 1000)));
}

int stats_once(Session& session) {
    const auto s = session.api.get("/api/v1/stats");
    if (session.print_raw(s)) return exit_ok;
    const auto& instances = s.at("instances");
    const auto total = instances.at("total").get<std::int64_t>();
    const auto& operations = s.at("operations");
    const auto& orchestrations = s.at("orchestrations");
    std::string servers;
    for (const auto& server : s.at("servers")) servers += (servers.empty() ? "" : ", ") + text_at(server, "name");
    session.console.out << section("Instances",
                                   with({{"Total", std::to_string(total)}},
                                        counted(instances, {"running", "creating", "deleting", "failed"}, total)))
                        << section("Health", counted(s.at("health"), {"healthy", "unhealthy", "unknown"},
                                                     instances.value("running", std::int64_t(0))))
                        << section("Failovers, Last 24 Hours",
                                   counted(s.at("failovers_last_24h"), {"completed", "failed", "running"}, 0))
                        << section("Operations",
                                   {{"Running", text_at(operations, "running")}, {"Oldest", duration_of(operations)}})
                        << section("Operations, Last 24 Hours", counted(operations.at("last_24h")))
                        << section("Orchestrations", with({{"Running", text_at(orchestrations, "running")}},
                                                          counted(orchestrations.at("by_type"))))
                        << section("Orchestrations, Last 24 Hours", counted(orchestrations.at("last_24h")))
                        << section("Storage", {{"Total", text_at(s.at("storage"), "total_gb") + " GB"},
                                               {"Average", text_at(s.at("storage"), "average_gb") + " GB"}})
                        << section("System", {{"Version", text_at(s, "version")},
                                              {"Schema", text_at(s, "schema_version")},
                                              {"Servers", fmt::format("{}: {}", s.at("servers").size(), servers)},
                                              {"Last Updated", time_text(text_at(s, "time"))}});
    return exit_ok;
}

}  // namespace

int stats(Session& session, const StatsOptions& options) {
    if (!options.watch) return stats_once(session);
    return watch(session, [&] { return stats_once(session); });
}

}  // namespace toygres::cli
