// The server's configuration, in files outside of the data directory, written anew whenever role, settings or
// certificates change. The texts are pure functions; one function writes them.
#pragma once
#include "agent/options.hpp"
#include "ha/topology.hpp"

#include <map>
#include <string>
#include <string_view>

namespace toygres::agent {

// Is this a setting that the topology may give? Not: what the agent itself depends on (addresses, TLS, file locations,
// restart_after_crash, …), and nothing that is not the name of a setting.
bool may_be_set(std::string_view name);

// 'value' as postgresql.conf quotes it.
std::string quote_value(std::string_view value);

std::string postgresql_conf(const Options& options, const ha::MemberSettings& settings);
// Local: the agent as postgres by its user id. Network: TLS and SCRAM only.
std::string pg_hba_conf();
std::string pg_ident_conf(std::string_view os_user);
// synchronous_standby_names alone.
std::string synchronous_conf(const ha::MemberSettings& settings);

// File name -> content of everything that the private directory must hold, certificates included.
// Error: not_found/"file_not_found" when the TLS Secret is not mounted.
Result<std::map<std::string, std::string>> configuration_files(const Options& options,
                                                               const ha::MemberSettings& settings);

// Writes the files that differ (mode 0600). Error: internal/"file_unwritable".
Result<void> write_configuration(const Options& options, const std::map<std::string, std::string>& files);

// The name that the operating system has for this process's user; "postgres" when it has none.
std::string os_user();

}  // namespace toygres::agent
