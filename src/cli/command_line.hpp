// The command line, taken apart.
#pragma once
#include "cli/launcher.hpp"
#include "cli/session.hpp"
#include "cli/verbs/verbs.hpp"

#include <functional>
#include <string>
#include <vector>

namespace toygres::cli {

struct CommandLine {
    ConnectionFlags connection{};
    Format format = Format::table;
    // What to do; exactly one is set by a parse that succeeds.
    std::function<int(Session&)> remote{};
    std::function<int(const Launcher&)> local{};
    std::function<int(Console&)> print{};
    // Asked on a terminal before `local` is done; empty: nothing.
    std::string question{};

    UpOptions up{};
    DownOptions down{};
    ServerOptions server{};
    ClusterOptions cluster{};
    MigrateOptions migrate{};
    TokenOptions token{};
    RotateKeyOptions rotate_key{};
    AuditOptions audit{};
    ManifestsOptions manifests{};
    CreateOptions create{};
    ListOptions list{};
    GetOptions get{};
    ReplicationOptions replication{};
    SetOwnerOptions set_owner{};
    TagOptions tag{};
    DeleteOptions remove{};
    ConnectOptions connect{};
    RotatePasswordOptions rotate_password{};
    LogsOptions logs{};
    EventsOptions events{};
    OperationOptions operation{};
    OrchestrationListOptions orchestration_list{};
    OrchestrationShowOptions orchestration_show{};
    StartOptions start{};
    SignalOptions signal{};
    QuestionOptions query{};
    QuestionOptions update{};
    CancelOptions cancel{};
    TerminateOptions terminate{};
    OrderOptions order{};
    ResetOptions reset{};
    ScheduleOptions schedule{};
    LoginOptions login{};
    LogLevelOptions log_level{};
    DriftOptions drift{};
    StatsOptions stats{};
    std::string context_name{};
};

// Fills `line`, which must stay where it is. nullopt, or the exit code when there is nothing left to do: help was asked
// for, or the usage is wrong (told on `console`).
std::optional<int> parse(int argc, const char* const* argv, CommandLine& line, Console& console);

}  // namespace toygres::cli
