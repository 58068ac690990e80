#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <istream>
#include <ostream>

namespace toygres::cli {
namespace {

std::optional<Secret> password_of(Session& session, const CreateOptions& options) {
    if (options.password) return Secret(*options.password);
    std::optional<std::string> line;
    if (options.password_stdin) {
        line.emplace();
        if (!std::getline(session.console.in, *line))
            raise(ErrorKind::invalid, "no_password", "there is no password on the standard input");
        if (line->ends_with('\r')) line->pop_back();
    } else if (options.password_prompt) {
        if (!session.console.in_is_terminal)
            raise(ErrorKind::invalid, "no_terminal",
                  "there is no terminal to ask for a password; use --password-stdin");
        line = session.console.ask_secret("Password of postgres: ");
        if (!line || line != session.console.ask_secret("Once more: "))
            raise(ErrorKind::invalid, "no_password", "the two are not the same; nothing was created");
    }
    return line ? std::optional(Secret(*std::move(line))) : std::nullopt;
}

Json pairs_of(const char* option, const std::vector<std::string>& pairs) {
    Json out = Json::object();
    for (const auto& pair : pairs) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos || equals == 0)
            raise(ErrorKind::invalid, "bad_tag", fmt::format("{} takes KEY=VALUE, not \"{}\"", option, pair));
        out[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return out;
}

Json placement_of(const CreateOptions& options) {
    Json out = Json::object();
    const auto set = [](Json& into, const char* key, const std::optional<std::string>& value) {
        if (value) into[key] = *value;
    };
    set(out, "spread", options.spread);
    if (options.spread_required) out["spread_required"] = true;
    set(out, "priority_class", options.priority_class);
    set(out, "storage_class", options.storage_class);
    Json resources = Json::object();
    set(resources, "cpu_request", options.cpu);
    set(resources, "cpu_limit", options.cpu_limit);
    set(resources, "memory_request", options.memory);
    set(resources, "memory_limit", options.memory_limit);
    if (!resources.empty()) out["resources"] = std::move(resources);
    if (!options.pod_annotations.empty())
        out["pod_annotations"] = pairs_of("--pod-annotation", options.pod_annotations);
    if (!options.service_annotations.empty())
        out["service_annotations"] = pairs_of("--service-annotation", options.service_annotations);
    if (!options.source_ranges.empty()) out["load_balancer_source_ranges"] = options.source_ranges;
    return out;
}

Json body_of(Session& session, const CreateOptions& options) {
    Json out = {{"name", options.name}};
    if (const auto password = password_of(session, options)) out["password"] = password->reveal();
    if (options.version) out["postgres_version"] = *options.version;
    if (options.storage_gb) out["storage_size_gb"] = *options.storage_gb;
    if (options.check_interval) out["check_interval"] = *options.check_interval;
    if (options.internal) out["internal"] = true;
    if (options.no_replication) out["replication"] = false;
    if (options.replication_mode) out["replication_mode"] = *options.replication_mode;
    if (options.standbys) out["standbys"] = *options.standbys;
    if (options.durability) out["durability"] = *options.durability;
    if (!options.tags.empty()) out["tags"] = pairs_of("--tag", options.tags);
    if (auto placement = placement_of(options); !placement.empty()) out["placement"] = std::move(placement);
    return out;
}

}  // namespace

int create(Session& session, const CreateOptions& options) {
    const auto key = options.idempotency_key.empty() ? random_uuid() : options.idempotency_key;
    const auto began = now();
    auto answer = session.api.send("POST", "/api/v1/instances", body_of(session, options), key);
    const auto id = text_at(answer.at("operation"), "id");
    auto& out = session.console.out;
    if (!options.wait) {
        if (session.print_raw(answer)) return exit_ok;
        const auto& instance = answer.at("instance");
        out << session.console.paint("✓", "32") << " Instance creation started\n"
            << fmt::format("  Name:      {}\n  K8s Name:  {}\n  Operation: {}\n\n", text_at(instance, "name"),
                           text_at(instance, "k8s_name"), id)
            << fmt::format(
                   "It is being created in the background. See how it gets on:\n"
                   "  toygres operation {} --wait\n  toygres get {}\n",
                   id, options.name);
        return exit_ok;
    }
    answer["operation"] = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    answer["instance"] = session.api.get(instance_path(options.name));
    if (session.print_raw(answer)) return exit_ok;
    out << session.console.paint("✓", "32")
        << fmt::format(" Instance {} is {} at {}:5432 ({})\n", options.name, text_at(answer["instance"], "state"),
                       text_at(answer["instance"], "external_ip"), format_duration(now() - began))
        << fmt::format("  toygres connect {}\n", options.name);
    return exit_ok;
}

}  // namespace toygres::cli
