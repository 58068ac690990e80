#include "cli/parse_helpers.hpp"

namespace toygres::cli {
namespace {

using Body = int (*)(Session&, const ReplicationOptions&);

CLI::App* add_change(CLI::App& group, CommandLine& line, const char* name, const char* description, Body body) {
    auto& o = line.replication;
    auto* verb = add(group, name, description);
    add_name(verb, o.name);
    verb->add_option("--reason", o.reason, "Kept in the audit");
    add_wait(verb, o.wait, o.timeout);
    runs(verb, line, body, o);
    return verb;
}

CLI::App* add_roles(CLI::App* verb, ReplicationOptions& o, const char* target) {
    verb->add_option(target, o.target, "The member to promote, by name or number [the best one]");
    verb->add_option("--handover-timeout", o.handover_timeout, "For the old primary to hand over [60s]");
    verb->add_option("--old-primary", o.old_primary_action, "What becomes of it")
        ->check(CLI::IsMember({"convert_to_replica", "stop_and_retain", "terminate"}))
        ->capture_default_str();
    verb->add_flag("--dry-run", o.dry_run, "Tell what would be done");
    return verb;
}

void add_forced(CLI::App* verb, ReplicationOptions& o) {
    verb->add_flag("--force", o.force, "Although the primary is healthy");
    verb->add_flag("--allow-data-loss", o.allow_data_loss, "Although acknowledged commits may be lost");
    verb->add_flag("--yes,-y", o.yes, "Do not ask");
}

void add_waiting(CLI::App* verb, ReplicationOptions& o) {
    verb->add_flag("--wait-for-sync", o.wait_for_sync, "Wait until the instance is synced");
    verb->add_option("--sync-timeout", o.sync_timeout, "For how long [5m]");
}

void add_role_verbs(CLI::App& group, CommandLine& line) {
    auto& o = line.replication;
    o.old_primary_action = "convert_to_replica";
    auto* planned =
        add_change(group, line, "switchover", "Change roles in an orderly way: nothing is lost", &switchover);
    add_waiting(add_roles(planned, o, "--target"), o);
    auto* unplanned = add_change(group, line, "failover", "Promote a standby of a primary that is down", &failover);
    add_forced(add_roles(unplanned, o, "--target"), o);
    auto* either =
        add_change(group, line, "promote",
                   "Make a member the primary: a switchover while the primary serves, a failover otherwise", &promote);
    add_waiting(add_roles(either, o, "MEMBER,--target"), o);
    add_forced(either, o);
    add_change(group, line, "resync", "Copy a standby afresh from the primary", &resync)
        ->add_option("--target", o.target, "The member [the standby]");
    add_change(group, line, "hold", "Change nothing any more, whatever happens, until resumed", &hold);
    add_change(group, line, "resume", "End a hold", &resume);
}

void add_member_verbs(CLI::App& group, CommandLine& line) {
    auto& o = line.replication;
    auto* list = add(group, "list", "Show the members and how far behind they are")->alias("ls");
    add_name(list, o.name);
    runs(list, line, &list_replicas, o);
    auto* added = add_change(group, line, "add", "Give the instance one standby more", &add_replica);
    added->add_option("--mode", o.mode, "sync: commits wait for it; async: they never do [sync]")
        ->check(CLI::IsMember({"sync", "async"}));
    added->add_option("--zone", o.zone, "Value of topology.kubernetes.io/zone of the nodes it may run on [any]");
    added->add_option("--max-lag-bytes", o.max_lag_bytes, "An alert when it is farther behind [10 MB]");
    auto* removed =
        add_change(group, line, "remove", "Take a standby away, with its disk", &remove_replica)->alias("rm");
    removed->add_option("MEMBER", o.target, "By name or number")->required();
    removed->add_flag("--yes,-y", o.yes, "Do not ask");
    auto* verified =
        add_change(group, line, "verify", "Prove it: commit a marker on the primary, read it on each standby", &verify);
    verified->add_option("--show-within", o.handover_timeout, "How long a standby may take to show it [10s]");
}

void add_settings_verbs(CLI::App& group, CommandLine& line) {
    auto& o = line.replication;
    auto* set = add_change(group, line, "configure", "Change how the instance replicates and fails over", &configure);
    set->add_option("--mode", o.mode, "sync or async")->check(CLI::IsMember({"sync", "async"}));
    set->add_option("--durability", o.durability, "Without a standby commits wait (strict) or go on (degrade)")
        ->check(CLI::IsMember({"strict", "degrade"}));
    set->add_option("--policy", o.policy, "NAME=VALUE, such as cooldown=10m; may be repeated")->allow_extra_args(false);
    const auto add_pause = [&](const char* name, const char* description, Body body) {
        auto* verb = add(group, name, description);
        auto* one = verb->add_option("NAME", o.name, "Name of the instance");
        verb->add_flag("--all", o.all, "All instances")->excludes(one);
        verb->add_option("--reason", o.reason, "Kept in the audit");
        add_wait(verb, o.wait, o.timeout);
        runs(verb, line, body, o);
    };
    add_pause("pause", "Let no failover happen by itself, of an instance or of all", &pause_failover);
    add_pause("unpause", "Let failovers happen by themselves again", &unpause_failover);
}

}  // namespace

void add_replication_verbs(CLI::App& app, CommandLine& line) {
    auto* group = add(app, "replication", "See and steer the replication of an instance")->alias("repl");
    group->require_subcommand(1);
    auto* status = add(*group, "status", "Show who is what, and whether a failover would be safe");
    add_name(status, line.replication.name);
    runs(status, line, &replication_status, line.replication);
    add_member_verbs(*group, line);
    add_role_verbs(*group, line);
    add_settings_verbs(*group, line);
}

}  // namespace toygres::cli
