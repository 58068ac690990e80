// Replication slots: on every member one per other member, so that whoever becomes the primary still has the WAL that
// the others need.
#pragma once
#include "agent/psql.hpp"
#include "ha/topology.hpp"

#include <string>

namespace toygres::agent {

// What makes the missing ones, drops those of members that are gone (unless they are in use) and those that have lost
// their WAL, and on a replica moves the others along with what it has applied.
std::string slots_script(const std::string& instance, const std::string& member, const ha::Topology& topology,
                         ha::Role role);

// What a replica without a control plane runs on its primary, which does not know who replicates from it: makes its own
// slot, afresh if it has lost its WAL.
std::string own_slot_script(const std::string& member);

}  // namespace toygres::agent
