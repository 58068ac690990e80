#include "agent/slots.hpp"

#include <fmt/format.h>

namespace toygres::agent {

std::string slots_script(const std::string& instance, const std::string& member, const ha::Topology& topology,
                         ha::Role role) {
    std::vector<std::string> names;
    for (const auto& [other, settings] : topology.members)
        if (other != member) names.push_back(sql_literal(ha::slot_name(other)));
    const auto wanted = fmt::format("ARRAY[{}]::text[]", fmt::join(names, ", "));
    auto script = fmt::format(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots\n"
        "WHERE slot_type = 'physical' AND NOT active AND slot_name ~ '^{}_[0-9]+$'\n"
        "  AND (slot_name <> ALL ({}) OR wal_status = 'lost');\n"
        "SELECT pg_create_physical_replication_slot(name, true) FROM unnest({}) AS name\n"
        "WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name);\n",
        ha::slot_name(instance), wanted, wanted);
    if (role == ha::Role::replica)
        script += fmt::format(
            "SELECT pg_replication_slot_advance(slot_name, pg_last_wal_replay_lsn()) FROM pg_replication_slots\n"
            "WHERE slot_name = ANY ({}) AND NOT active AND restart_lsn < pg_last_wal_replay_lsn();\n",
            wanted);
    return script;
}

std::string own_slot_script(const std::string& member) {
    const auto name = sql_literal(ha::slot_name(member));
    return fmt::format(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots\n"
        "WHERE slot_type = 'physical' AND NOT active AND slot_name = {0} AND wal_status = 'lost';\n"
        "SELECT pg_create_physical_replication_slot({0}, true)\n"
        "WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {0});\n",
        name);
}

}  // namespace toygres::agent
