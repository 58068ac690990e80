// The server's configuration, in files outside of the data directory, written anew whenever topology, role or
// certificates change. The texts are pure functions; one function writes them.
#pragma once
#include "agent/options.hpp"
#include "ha/topology.hpp"

#include <map>
#include <string>
#include <string_view>

namespace toygres::agent {

// What a server is configured for.
struct Orders {
    ha::Reign reign;       // of the topology that says so
    ha::Role role;         // what it runs as
    std::string upstream;  // a replica's source; empty: it receives from nobody
    ha::MemberSettings settings;
};
// A replica receives from the topology's primary, unless that is the member itself, on its way to be promoted.
Orders orders_for(const ha::Topology& topology, const std::string& member, ha::Role role);

// The value of synchronous_standby_names: a replica has none, so that it can never wait once it is promoted.
std::string synchronous_names(const Orders& orders);

// Is this a setting that the topology may give? Not: what the agent itself depends on (addresses, TLS, file locations,
// restart_after_crash, …), and nothing that is not the name of a setting.
bool may_be_set(std::string_view name);

// 'value' as postgresql.conf quotes it.
std::string quote_value(std::string_view value);

std::string postgresql_conf(const Options& options, const ha::MemberSettings& settings);
// Local: the agent as postgres by its user id. Network: TLS and SCRAM only.
std::string pg_hba_conf(const std::string& replication_user);
std::string pg_ident_conf(std::string_view os_user);
// synchronous_standby_names alone.
std::string synchronous_conf(const Orders& orders);
// Whom a replica receives from, and the name under which the server tells which topology it is configured for. `user`
// is the replication role.
std::string role_conf(const Options& options, const Orders& orders, const std::string& user);
// The value of the setting `toygres.reign`: "epoch.revision".
std::string reign_text(const ha::Reign& reign);

// File name -> content of everything that the private directory must hold, certificates included.
// Errors: not_found/"file_not_found" when a Secret is not mounted; those of tls_pair().
Result<std::map<std::string, std::string>> configuration_files(const Options& options, const Orders& orders);

// Writes the files that differ (mode 0600). Error: internal/"file_unwritable".
Result<void> write_configuration(const Options& options, const std::map<std::string, std::string>& files);

// The name that the operating system has for this process's user; "postgres" when it has none.
std::string os_user();

}  // namespace toygres::agent
