#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"
#include "cli/watch.hpp"

#include <fmt/format.h>

#include <cctype>
#include <ostream>

namespace toygres::cli {
namespace {

std::string coloured_state(const Console& console, const std::string& state) {
    if (state == "running" || state == "healthy") return console.paint(state, "32");
    if (state == "failed" || state == "unhealthy") return console.paint(state, "31");
    return state;
}

std::string storage_of(const Json& instance) { return text_at(instance, "storage_size_gb") + "GB"; }

std::string pairs_of(const Json& from, const char* key) {
    std::string out;
    for (const auto& [name, value] : from.value(key, Json::object()).items())
        out += fmt::format("{}{}={}", out.empty() ? "" : ", ", name, value.get<std::string>());
    return out;
}

// "100m to 2": what is asked for and what may be used at most.
std::string resource_of(const Json& placement, const std::string& name) {
    const auto resources = placement.value("resources", Json::object());
    const auto request = text_at(resources, name + "_request");
    const auto limit = text_at(resources, name + "_limit");
    if (limit.empty()) return request;
    return request.empty() ? "at most " + limit : fmt::format("{}, at most {}", request, limit);
}

// What was chosen; empty when nothing was.
std::string placement_section(const Json& placement) {
    if (placement.empty()) return {};
    const bool required = placement.value("spread_required", false);
    const auto spread = text_at(placement, "spread");
    std::string ranges;
    for (const auto& range : placement.value("load_balancer_source_ranges", Json::array()))
        ranges += (ranges.empty() ? "" : ", ") + range.get<std::string>();
    return section("Placement", {{"Spread", spread.empty() ? "" : spread + (required ? " (required)" : " (preferred)")},
                                 {"Priority Class", text_at(placement, "priority_class")},
                                 {"CPU", resource_of(placement, "cpu")},
                                 {"Memory", resource_of(placement, "memory")},
                                 {"Storage Class", text_at(placement, "storage_class")},
                                 {"Pod Annotations", pairs_of(placement, "pod_annotations")},
                                 {"Service Annotations", pairs_of(placement, "service_annotations")},
                                 {"Source Ranges", ranges}});
}

std::string interval_of(const Json& instance) {
    const auto ms = instance.value("check_interval_ms", std::int64_t(0));
    return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : format_duration(std::chrono::milliseconds(ms));
}

std::string when(const Json& instance, const std::string& key) {
    const auto text = text_at(instance, key);
    return text.empty() ? "" : fmt::format("{} ({} ago)", time_text(text), age(text, now()));
}

}  // namespace

Json all_pages(Session& session, const std::string& target, const std::string& key, int limit) {
    Json out = {{key, Json::array()}};
    std::string token;
    do {
        auto page_target = target;
        add_query(page_target, "limit", limit > 0 ? std::to_string(std::min(limit, 500)) : "500");
        add_query(page_target, "page_token", token);
        const auto page = session.api.get(page_target);
        for (const auto& item : page.at(key))
            if (limit == 0 || out[key].size() < static_cast<std::size_t>(limit)) out[key].push_back(item);
        token = text_at(page, "next_page_token");
    } while (!token.empty() && (limit == 0 || out[key].size() < static_cast<std::size_t>(limit)));
    return out;
}

namespace {

Table instances_table(const Json& found, bool wide) {
    std::vector<std::string> headings{"NAME", "DNS NAME", "STATE", "HEALTH", "VERSION", "STORAGE", "AGE"};
    if (wide) headings.insert(headings.end(), {"K8S NAME", "ADDRESS", "NAMESPACE", "TAGS", "CREATED BY", "MESSAGE"});
    Table out(std::move(headings));
    for (const auto& i : found.at("instances")) {
        std::vector<std::string> cells{text_at(i, "name"),
                                       text_at(i, "dns_name"),
                                       text_at(i, "state"),
                                       text_at(i, "health"),
                                       text_at(i, "postgres_version"),
                                       storage_of(i),
                                       age(text_at(i, "created_at"), now())};
        if (wide)
            cells.insert(cells.end(), {text_at(i, "k8s_name"), text_at(i, "external_ip"), text_at(i, "namespace"),
                                       pairs_of(i, "tags"), text_at(i, "created_by"), text_at(i, "message")});
        out.add(std::move(cells));
    }
    return out;
}

// One column each.
Table fields_table(const Json& found, const std::vector<std::string>& fields) {
    std::vector<std::string> headings;
    for (const auto& field : fields) {
        headings.push_back(field);
        for (auto& c : headings.back())
            c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    Table out(std::move(headings));
    for (const auto& i : found.at("instances")) {
        std::vector<std::string> cells;
        for (const auto& field : fields) cells.push_back(text_at(i, field));
        out.add(std::move(cells));
    }
    return out;
}

int list_once(Session& session, const ListOptions& options) {
    std::string target = "/api/v1/instances";
    add_query(target, "state", options.state);
    add_query(target, "health", options.health);
    add_query(target, "name", options.name);
    add_query(target, "name_prefix", options.prefix);
    for (const auto& tag : options.tags) add_query(target, "tag", tag);
    add_query(target, "sort", options.sort);
    add_query(target, "fields", fmt::format("{}", fmt::join(options.fields, ",")));
    if (options.include_deleted) add_query(target, "include_deleted", "true");
    const auto found = all_pages(session, target, "instances");
    if (session.print_raw(found)) return exit_ok;
    const auto table =
        options.fields.empty() ? instances_table(found, session.wide()) : fields_table(found, options.fields);
    if (table.size() > 0) session.console.out << session.text_of(table) << "\n";
    session.console.out << fmt::format("{} instance{} found\n", table.size(), table.size() == 1 ? "" : "s");
    if (table.size() == 0) session.console.err << "Make one with: toygres create NAME\n";
    return exit_ok;
}

int get_once(Session& session, const GetOptions& options) {
    const auto i = session.api.get(instance_path(options.name, options.include_deleted ? "?include_deleted=true" : ""));
    if (session.print_raw(i)) return exit_ok;
    session.console.out << "Instance: " << text_at(i, "name") << "\n"
                        << std::string(60, '=') << "\n"
                        << section("Status", {{"State", coloured_state(session.console, text_at(i, "state"))},
                                              {"Health", coloured_state(session.console, text_at(i, "health"))},
                                              {"Message", text_at(i, "message")},
                                              {"PostgreSQL Version", text_at(i, "postgres_version")},
                                              {"Last Check", when(i, "last_health_check_at")}})
                        << section("Identity", {{"User Name", text_at(i, "name")},
                                                {"K8s Name", text_at(i, "k8s_name")},
                                                {"Namespace", text_at(i, "namespace")},
                                                {"DNS Name", text_at(i, "dns_name")},
                                                {"Id", text_at(i, "id")},
                                                {"Owner", text_at(i, "owner")},
                                                {"Created By", text_at(i, "created_by")}})
                        << section("Configuration",
                                   {{"Storage", storage_of(i)},
                                    {"Load Balancer", i.value("use_load_balancer", false) ? "yes" : "no"},
                                    {"Check Interval", interval_of(i)},
                                    {"Tags", pairs_of(i, "tags")}})
                        << placement_section(i.value("placement", Json::object()));
    if (const auto replication = i.find("replication"); replication != i.end() && replication->is_object())
        session.console.out << replication_section(session.console, *replication);
    if (const auto address = text_at(i, "external_ip"); !address.empty())
        session.console.out << section(
            "Network", {{"Address", address + ":5432"}, {"Connect", "toygres connect " + text_at(i, "name")}});
    session.console.out << section(
        "Timestamps",
        {{"Created", when(i, "created_at")}, {"Updated", when(i, "updated_at")}, {"Deleted", when(i, "deleted_at")}});
    return exit_ok;
}

}  // namespace

int list(Session& session, const ListOptions& options) {
    if (!options.watch) return list_once(session, options);
    return watch(session, [&] { return list_once(session, options); });
}

int get(Session& session, const GetOptions& options) {
    if (!options.watch) return get_once(session, options);
    return watch(session, [&] { return get_once(session, options); });
}

int tag(Session& session, const TagOptions& options) {
    Json patch = Json::object();
    for (const auto& change : options.changes) {
        const auto equals = change.find('=');
        const bool removes = equals == std::string::npos && change.size() > 1 && change.ends_with('-');
        if (!removes && (equals == std::string::npos || equals == 0))
            raise(ErrorKind::invalid, "bad_tag", fmt::format("KEY=VALUE or KEY- is wanted, not \"{}\"", change));
        if (removes)
            patch[change.substr(0, change.size() - 1)] = nullptr;
        else
            patch[change.substr(0, equals)] = change.substr(equals + 1);
    }
    const auto instance = value_or_raise(session.api.call("PATCH", instance_path(options.name, "/tags"), patch));
    if (session.print_raw(instance)) return exit_ok;
    const auto now = pairs_of(instance, "tags");
    session.console.out << (now.empty() ? options.name + " has no tags\n"
                                        : fmt::format("{} is tagged {}\n", options.name, now));
    return exit_ok;
}

namespace {

bool delete_confirmed(Session& session, const DeleteOptions& options) {
    if (options.yes) return true;
    const auto& name = options.names.front();
    const bool asked = session.console.in_is_terminal;
    if (options.names.size() > 1)
        return session.console.confirmed(
            false,
            fmt::format("Delete the {} instances {} and all their data? This cannot be undone.", options.names.size(),
                        fmt::join(options.names, ", ")),
            "the instances' data goes with them");
    const auto i = asked ? session.api.get(instance_path(name)) : Json::object();
    const auto question =
        fmt::format("Delete {} (PostgreSQL {}, {}, made {} ago) and all its data? This cannot be undone.", name,
                    text_at(i, "postgres_version"), storage_of(i), age(text_at(i, "created_at"), now()));
    return session.console.confirmed(false, question, "the instance's data goes with it");
}

int remove_one(Session& session, const DeleteOptions& options, const std::string& key) {
    const auto began = now();
    const auto& name = options.names.front();
    auto answer = session.api.send("DELETE", instance_path(name), Json(), key);
    auto& out = session.console.out;
    if (!options.wait) {
        if (session.print_raw(answer)) return exit_ok;
        const auto id = text_at(answer.at("operation"), "id");
        out << session.console.paint("✓", "32") << " Instance deletion started\n"
            << fmt::format("  Name:      {}\n  K8s Name:  {}\n  Operation: {}\n\n", name,
                           text_at(answer.at("instance"), "k8s_name"), id)
            << fmt::format("See how it gets on:\n  toygres operation {} --wait\n", id);
        return exit_ok;
    }
    answer["operation"] = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    if (session.print_raw(answer)) return exit_ok;
    out << session.console.paint("✓", "32")
        << fmt::format(" Instance {} is deleted ({})\n", name, format_duration(now() - began));
    return exit_ok;
}

// What came of one of several; false when it is not, or will not be, deleted.
bool tell_removed(Session& session, const DeleteOptions& options, Json& item) {
    const auto name = text_at(item, "name");
    if (const auto problem = item.find("problem"); problem != item.end()) {
        session.console.err << fmt::format("{}: {}\n", name, text_at(*problem, "detail"));
        return false;
    }
    if (!options.wait) {
        if (session.format == Format::table || session.format == Format::wide)
            session.console.out << fmt::format("{} is being deleted by operation {}\n", name,
                                               text_at(item.at("operation"), "id"));
        return true;
    }
    const auto ended = wait_for_operation(session, item.at("operation"), options.timeout);
    if (!ended) {
        session.console.err << fmt::format("{}: {}\n", name, ended.error().message);
        return false;
    }
    item["operation"] = *ended;
    if (session.format == Format::table || session.format == Format::wide)
        session.console.out << session.console.paint("✓", "32") << fmt::format(" Instance {} is deleted\n", name);
    return true;
}

// In one call; those that can be deleted are, whatever becomes of the others.
int remove_many(Session& session, const DeleteOptions& options, const std::string& key) {
    auto answer = session.api.send("POST", "/api/v1/bulk/delete-instances", {{"names", options.names}}, key);
    bool all = true;
    for (auto& item : answer.at("items")) all = tell_removed(session, options, item) && all;
    session.print_raw(answer);
    return all ? exit_ok : exit_failed;
}

}  // namespace

int remove(Session& session, const DeleteOptions& options) {
    if (!delete_confirmed(session, options)) return exit_failed;
    const auto key = options.idempotency_key.empty() ? random_uuid() : options.idempotency_key;
    return options.names.size() == 1 ? remove_one(session, options, key) : remove_many(session, options, key);
}

}  // namespace toygres::cli
