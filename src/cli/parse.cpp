#include "cli/command_line.hpp"
#include "cli/completion.hpp"
#include "cli/exit_code.hpp"
#include "cli/man_page.hpp"
#include "cli/parse_helpers.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;

template <class Options>
void launches(CLI::App* verb, CommandLine& line, std::function<int(const Options&)> Launcher::* body,
              const Options& options) {
    verb->callback([&line, body, &options] {
        line.local = [body, &options](const Launcher& launcher) {
            if (!(launcher.*body)) raise(ErrorKind::invalid, "not_available", "this build cannot do that");
            return (launcher.*body)(options);
        };
    });
}

void add_global_options(CLI::App& app, CommandLine& line) {
    app.add_option_function<std::string>(
           "-o,--output", [&line](const std::string& text) { line.format = *enum_from<Format>(text); },
           "How to print: table, wide, json, yaml or name")
        ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}));
    app.add_option("--api-url", line.connection.api_url,
                   "The server [TOYGRES_API_URL, or that of the state directory]");
    app.add_option("--token", line.connection.token, "The token [TOYGRES_API_TOKEN]; others on this machine see it");
    app.add_option("--token-file", line.connection.token_file, "A file that holds the token [TOYGRES_API_TOKEN_FILE]");
    app.add_option("--ca-file", line.connection.ca_file, "The CA of the server [TOYGRES_CA_FILE]");
    app.add_option("--context", line.connection.context,
                   "A server that was logged in to [TOYGRES_CONTEXT, the current]");
    app.add_option("--state-dir", line.connection.state_dir, "Of \"toygres up\" [TOYGRES_STATE_DIR, or ~/.toygres]");
}

void add_server(CLI::App& app, CommandLine& line) {
    auto& o = line.server;
    auto* verb = add(app, "server", "Run the control plane against a database and a Kubernetes cluster");
    o.ns = "toygres";
    o.listen_address = "127.0.0.1";
    o.listen_port = 8080;
    o.agent_image = "toygres-agent:" TOYGRES_VERSION;
    o.postgres_versions = {"13", "14", "15", "16", "17", "18"};
    o.name = "toygres";
    o.log_level = "info";
    o.rate_limit = 200;
    o.rate_burst = 1000;
    o.database_connections_max = 16;
    o.otlp_sampling = 1;
    o.keep_executions = 3;
    o.keep_ended_days = 30;
    o.keep_audit_days = 365;
    o.keep_health_days = 30;
    o.migrate = true;
    add_database(verb, o.database_url, o.database_password_file, o.schema, true);
    verb->add_option("--kubeconfig", o.kubeconfig, "[KUBECONFIG, the pod's service account, or ~/.kube/config]");
    verb->add_option("--context", o.context, "Context of the kubeconfig");
    verb->add_option("--namespace", o.ns, "Namespace of the instances")->capture_default_str();
    verb->add_option_function<std::string>(
            "--listen",
            [&o](const std::string& text) {
                const auto colon = text.rfind(':');
                int port = -1;
                if (colon == std::string::npos || !CLI::detail::lexical_cast(text.substr(colon + 1), port) ||
                    port < 0 || port > 65535)
                    throw CLI::ValidationError("--listen", "takes ADDRESS:PORT, not " + text);
                o.listen_address = text.substr(0, colon);
                if (o.listen_address.starts_with('[') && o.listen_address.ends_with(']'))
                    o.listen_address = o.listen_address.substr(1, o.listen_address.size() - 2);
                o.listen_port = static_cast<unsigned short>(port);
            },
            "Where to serve the API [127.0.0.1:8080]")
        ->type_name("ADDRESS:PORT");
    auto* certificate = verb->add_option("--tls-cert", o.tls_cert_file,
                                         "Certificate of the API with its chain, PEM; read again when it changes")
                            ->envname("TOYGRES_TLS_CERT");
    auto* key = verb->add_option("--tls-key", o.tls_key_file, "Its key, PEM")->envname("TOYGRES_TLS_KEY");
    certificate->needs(key);
    key->needs(certificate);
    verb->add_flag("--allow-plain-http", o.allow_plain_http,
                   "Serve without TLS to other machines, too: for where something before the server ends TLS")
        ->envname("TOYGRES_ALLOW_PLAIN_HTTP");
    auto* keys = verb->add_option_group("Keys", "Where the sealing key is; one of them is needed");
    keys->require_option(1, 2);
    keys->add_option("--seal-key-file", o.seal_key_file, "Key that seals passwords on their way; made when absent")
        ->envname("TOYGRES_SEAL_KEY_FILE");
    add_installation(keys, o.installation_secret);
    verb->add_option("--agent-image", o.agent_image, "Image of toygres-agent")
        ->envname("TOYGRES_AGENT_IMAGE")
        ->capture_default_str();
    verb->add_option("--storage-class", o.storage_class, "Of the instances' disks [the cluster's default]");
    verb->add_option("--postgres-versions", o.postgres_versions, "Majors that may be asked for, oldest first")
        ->delimiter(',')
        ->capture_default_str();
    verb->add_option("--templates", o.templates_directory, "Directory of templates [those built in]");
    verb->add_option("--alert-webhook", o.alert_webhook, "URL that alerts are posted to, as JSON [none]")
        ->envname("TOYGRES_ALERT_WEBHOOK");
    verb->add_option("--otlp-endpoint", o.otlp_endpoint,
                     "URL of a collector that traces are sent to: OTLP over HTTP, as JSON [none]")
        ->envname("TOYGRES_OTLP_ENDPOINT");
    verb->add_option("--otlp-sampling", o.otlp_sampling, "Share of the traces that begin here, 0 to 1")
        ->envname("TOYGRES_OTLP_SAMPLING")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    verb->add_option("--name", o.name, "Of this process, in logs and the table of workers")->capture_default_str();
    verb->add_option("--log-file", o.log_file, "[stderr]");
    verb->add_option("--log-level", o.log_level)
        ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
        ->capture_default_str();
    verb->add_option("--rate-limit", o.rate_limit,
                     "Calls that a token may make a second in the long run; 0: any number")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    verb->add_option("--rate-burst", o.rate_burst, "Calls that it may make at once")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    verb->add_option("--database-connections", o.database_connections_max, "Largest number of pooled sessions")
        ->check(CLI::Range(2, 1000))
        ->capture_default_str();
    verb->add_option("--keep-executions", o.keep_executions,
                     "Of a workflow that goes on for ever: the newest so many stay on record")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    verb->add_option("--keep-ended-days", o.keep_ended_days, "How long the record of a workflow that has ended stays")
        ->check(CLI::Range(1, 36'500))
        ->capture_default_str();
    verb->add_option("--keep-audit-days", o.keep_audit_days, "How long the audit of calls stays")
        ->check(CLI::Range(1, 36'500))
        ->capture_default_str();
    verb->add_option("--keep-health-days", o.keep_health_days, "How long the record of instances' health stays")
        ->check(CLI::Range(1, 36'500))
        ->capture_default_str();
    add_duration(
        verb, "--stop-delay", [&o](auto value) { o.stop_delay = value; },
        "How long it still answers after SIGTERM, no longer ready [0s]");
    verb->add_flag("!--no-migrate", o.migrate, "Leave the schema as it is");
    verb->add_flag("--evict-every-turn", o.evict_every_turn, "Replay orchestrations at every turn (a test mode)");
    launches(verb, line, &Launcher::server, o);
}

void add_local_verbs(CLI::App& app, CommandLine& line) {
    auto* up = add(app, "up", "Start toygres on this machine: database, Kubernetes and server in one directory");
    up->add_option("-p,--port", line.up.port, "Port of the API [the one of last time, or any]");
    up->add_option("--agent", line.up.agent_path, "The program toygres-agent [beside this one]");
    launches(up, line, &Launcher::up, line.up);

    auto* down = add(app, "down", "Stop what \"up\" has started; instances keep their data");
    down->add_flag("--purge", line.down.purge, "Remove the directory with all data, too");
    down->add_flag("--yes,-y", line.down.yes, "Do not ask, on a terminal");
    launches(down, line, &Launcher::down, line.down);

    add_server(app, line);

    auto* cluster = add(app, "cluster", "")->group("");  // what "up" runs
    cluster->add_option("--agent", line.cluster.agent_path)->required();
    launches(cluster, line, &Launcher::cluster, line.cluster);

    auto* migrate = add(app, "migrate", "Bring the schema of a database to this release");
    add_database(migrate, line.migrate.database_url, line.migrate.database_password_file, line.migrate.schema, true);
    add_installation(migrate, line.migrate.installation_secret);
    launches(migrate, line, &Launcher::migrate, line.migrate);
}

void add_rotate_key(CLI::App& app, CommandLine& line) {
    auto& o = line.rotate_key;
    auto* verb = add(app, "rotate-key", "Replace the key that seals passwords on their way to their Secrets");
    verb->add_option("--seal-key-file", o.seal_key_file, "The servers' file [that of the state directory]")
        ->envname("TOYGRES_SEAL_KEY_FILE");
    add_installation(verb, o.installation_secret);
    add_duration(
        verb, "--wait", [&o](auto value) { o.wait = value; },
        "For every server to read the new key before it seals [15s; of a Secret 3m]");
    launches(verb, line, &Launcher::rotate_key, o);
}

void add_manifests(CLI::App& app, CommandLine& line) {
    auto& o = line.manifests;
    o = {.ns = "toygres",
         .with_namespace = true,
         .image = "toygres:" TOYGRES_VERSION,
         .agent_image = "toygres-agent:" TOYGRES_VERSION,
         .replicas = 1,
         .database_image = "postgres:17",
         .database_storage_gb = 10};
    auto* verb = add(app, "manifests", "Print the Kubernetes objects of toygres itself, for kubectl apply -f -");
    verb->add_option("-n,--namespace", o.ns, "Of the control plane and of the instances")->capture_default_str();
    verb->add_flag("!--no-namespace", o.with_namespace, "Without the Namespace, which is there already");
    verb->add_option("--image", o.image, "Of the server")->capture_default_str();
    verb->add_option("--agent-image", o.agent_image, "Of toygres-agent")->capture_default_str();
    auto* replicas =
        verb->add_option("--replicas", o.replicas, "How many servers")->check(CLI::Range(1, 20))->capture_default_str();
    verb->add_flag_callback("--ha", [&o] { o.replicas = 2; }, "Two servers")->excludes(replicas);
    auto* external = verb->add_option("--database-url-secret", o.database_url_secret,
                                      "Secret whose key \"url\" is the URL of a database of yours [one comes with it]");
    verb->add_option("--database-image", o.database_image, "Of the database that comes with it")
        ->excludes(external)
        ->capture_default_str();
    verb->add_option("--database-storage", o.database_storage_gb, "Size of its disk in GB")
        ->excludes(external)
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    verb->add_option("--storage-class", o.storage_class, "Of all disks [the cluster's default]");
    verb->add_option("--postgres-versions", o.postgres_versions, "Majors that may be asked for [the server's]")
        ->delimiter(',');
    verb->add_option("--tls-secret", o.tls_secret,
                     "Secret of type kubernetes.io/tls that the API is served with [TLS ends before the server]");
    verb->add_option("--egress-port", o.egress_ports, "A further TCP port that the server connects to")
        ->check(CLI::Range(1, 65'535))
        ->delimiter(',');
    verb->add_option("--otlp-endpoint", o.otlp_endpoint,
                     "URL of a collector that traces are sent to: OTLP over HTTP, as JSON [none]");
    verb->add_option("--kube-version", o.kube_version, "Of the cluster, such as 1.20 [a current one]");
    launches(verb, line, &Launcher::manifests, o);
}

void add_placement(CLI::App* verb, CreateOptions& o) {
    const auto* group = "Placement";
    auto* spread = verb->add_option("--spread", o.spread, "Keep the members apart by node or by zone [hostname]")
                       ->check(CLI::IsMember({"hostname", "zone"}))
                       ->group(group);
    verb->add_flag("--spread-required", o.spread_required, "Rather have no member than one beside another")
        ->needs(spread)
        ->group(group);
    verb->add_option("--priority-class", o.priority_class, "Of the pods")->group(group);
    verb->add_option("--cpu", o.cpu, "What a member asks for, such as 500m [100m]")->group(group);
    verb->add_option("--cpu-limit", o.cpu_limit, "What it may use at most [no limit]")->group(group);
    verb->add_option("--memory", o.memory, "What a member asks for, such as 1Gi [256Mi]")->group(group);
    verb->add_option("--memory-limit", o.memory_limit, "What it may use at most [no limit]")->group(group);
    verb->add_option("--storage-class", o.storage_class, "Of the disks [the server's default]")->group(group);
    verb->add_option("--pod-annotation", o.pod_annotations, "KEY=VALUE; may be repeated")
        ->allow_extra_args(false)
        ->group(group);
    verb->add_option("--service-annotation", o.service_annotations, "KEY=VALUE; may be repeated")
        ->allow_extra_args(false)
        ->group(group);
    verb->add_option("--source-range", o.source_ranges,
                     "Network that the load balancer lets in, such as 203.0.113.0/24; may be repeated [all]")
        ->allow_extra_args(false)
        ->group(group);
}

void add_create(CLI::App& app, CommandLine& line) {
    auto& o = line.create;
    auto* verb = add(app, "create", "Create an instance");
    add_name(verb, o.name);
    auto* password = verb->add_option_function<std::string>(
        "-p,--password", [&o](const std::string& text) { o.password = text; },
        "Of postgres; others on this machine see it [a random one]");
    auto* from_stdin =
        verb->add_flag("--password-stdin", o.password_stdin, "Read the password from the standard input");
    verb->add_flag("--password-prompt", o.password_prompt, "Ask for the password")->excludes(password, from_stdin);
    from_stdin->excludes(password);
    verb->add_option("--version,-V", o.version, "Major of PostgreSQL [the newest that the server has]");
    verb->add_option("--storage,-s", o.storage_gb, "Size of the disk in GB [10]");
    verb->add_option("--check-interval", o.check_interval, "How often health is checked [30s]");
    verb->add_flag("--internal", o.internal, "Reachable inside the cluster only");
    verb->add_option("--tag,-t", o.tags, "KEY=VALUE; may be repeated")->allow_extra_args(false);
    auto* alone = verb->add_flag("--no-replication", o.no_replication, "A single server, without a standby");
    verb->add_option("--standbys", o.standbys, "How many standbys [1]")->excludes(alone);
    verb->add_option("--replication-mode", o.replication_mode, "sync: no acknowledged commit is lost; async [sync]")
        ->check(CLI::IsMember({"sync", "async"}))
        ->excludes(alone);
    verb->add_option("--durability", o.durability,
                     "When the standby is gone, commits wait (strict) or go on after a while (degrade) [degrade]")
        ->check(CLI::IsMember({"strict", "degrade"}))
        ->excludes(alone);
    add_placement(verb, o);
    verb->add_option("--idempotency-key,-K", o.idempotency_key, "A repeat with the same key changes nothing");
    add_wait(verb, o.wait, o.timeout);
    runs(verb, line, &create, o);
}

void add_instance_verbs(CLI::App& app, CommandLine& line) {
    add_create(app, line);
    add_replication_verbs(app, line);

    auto* list_verb = add(app, "list", "List instances")->alias("ls");
    list_verb->add_option("-s,--state", line.list.state)
        ->check(CLI::IsMember({"creating", "running", "deleting", "deleted", "failed"}));
    list_verb->add_option("--health", line.list.health)->check(CLI::IsMember({"healthy", "unhealthy", "unknown"}));
    list_verb->add_option("--name", line.list.name, "What their names look like: * is any text, ? any character");
    list_verb->add_option("--tag", line.list.tags, "KEY=VALUE, or KEY for any value; may be repeated")
        ->allow_extra_args(false);
    list_verb->add_option("--sort", line.list.sort, "By what, with - before it downwards [-created_at]")
        ->check(CLI::IsMember({"name", "-name", "created_at", "-created_at", "storage_size_gb", "-storage_size_gb"}));
    list_verb->add_option("--fields", line.list.fields, "What to show of each, with commas between")->delimiter(',');
    list_verb->add_option("--prefix", line.list.prefix, "What their names start with");
    list_verb->add_flag("-a,--all", line.list.include_deleted, "Deleted ones, too");
    list_verb->add_flag("-w,--watch", line.list.watch, "Show it again and again, as it changes");
    runs(list_verb, line, &list, line.list);

    auto* get_verb = add(app, "get", "Show one instance");
    add_name(get_verb, line.get.name);
    get_verb->add_flag("-a,--all", line.get.include_deleted, "Also when it is deleted");
    get_verb->add_flag("-w,--watch", line.get.watch, "Show it again and again, as it changes");
    runs(get_verb, line, &get, line.get);

    auto* owner_verb = add(app, "set-owner", "Give an instance to somebody else");
    add_name(owner_verb, line.set_owner.name);
    owner_verb->add_option("OWNER", line.set_owner.owner, "Whom tokens speak for, see: toygres token list")->required();
    runs(owner_verb, line, &set_owner, line.set_owner);

    auto* tag_verb = add(app, "tag", "Set tags of an instance, or take them away");
    add_name(tag_verb, line.tag.name);
    tag_verb->add_option("CHANGE", line.tag.changes, "KEY=VALUE sets a tag, KEY- takes it away")->required();
    runs(tag_verb, line, &tag, line.tag);

    auto* delete_verb = add(app, "delete", "Delete instances and their data")->alias("del");
    delete_verb->add_option("NAME", line.remove.names, "Names of the instances")->required()->expected(1, 100);
    delete_verb->add_flag("-y,--yes,-f,--force", line.remove.yes, "Do not ask");
    delete_verb->add_option("--idempotency-key,-K", line.remove.idempotency_key);
    add_wait(delete_verb, line.remove.wait, line.remove.timeout);
    runs(delete_verb, line, &remove, line.remove);

    auto* connect_verb = add(app, "connect", "Open psql on an instance; what follows -- goes to psql");
    add_name(connect_verb, line.connect.name);
    connect_verb->add_flag("--print", line.connect.print, "Print the URL without the password instead");
    connect_verb->add_option("PSQL_ARGUMENTS", line.connect.psql_arguments);
    runs(connect_verb, line, &connect, line.connect);

    auto* rotate_verb = add(app, "rotate-password", "Give the superuser of an instance a new password");
    add_name(rotate_verb, line.rotate_password.name);
    rotate_verb->add_option("--idempotency-key,-K", line.rotate_password.idempotency_key);
    add_wait(rotate_verb, line.rotate_password.wait, line.rotate_password.timeout);
    runs(rotate_verb, line, &rotate_password, line.rotate_password);

    auto* logs_verb = add(app, "logs", "Show the log of an instance's PostgreSQL");
    add_name(logs_verb, line.logs.name);
    line.logs.tail = 200;
    line.logs.member = 1;
    logs_verb->add_flag("-f,--follow", line.logs.follow, "Go on as it grows");
    logs_verb->add_flag("--previous", line.logs.previous, "Of the container before its last restart");
    logs_verb->add_flag("--timestamps", line.logs.timestamps);
    logs_verb->add_option("-n,--tail", line.logs.tail, "The last so many lines")->capture_default_str();
    logs_verb->add_option("--member", line.logs.member)->capture_default_str();
    runs(logs_verb, line, &logs, line.logs);

    auto* events_verb = add(app, "events", "Show what happened to an instance");
    add_name(events_verb, line.events.name);
    line.events.limit = 200;
    events_verb->add_flag("-f,--follow", line.events.follow, "Go on as more happens");
    events_verb->add_option("-n,--limit", line.events.limit, "The last so many")->capture_default_str();
    runs(events_verb, line, &events, line.events);
}

void add_insight_verbs(CLI::App& app, CommandLine& line) {
    auto* drift_verb = add(app, "drift", "Show what the cluster and the record of the instances differ in");
    auto* repair = drift_verb->add_flag("--repair", line.drift.repair, "Mend what can be, once it is confirmed");
    drift_verb->add_flag("-y,--yes", line.drift.yes, "Do not ask")->needs(repair);
    drift_verb->add_flag("--remove-volumes", line.drift.remove_volumes,
                         "Volumes of instances that are no more, too, with the data in them");
    drift_verb->add_option("--grace", line.drift.grace, "What is younger stays: it may be on its way [10m]")
        ->type_name("DURATION");
    runs(drift_verb, line, &drift, line.drift);

    auto* stats_verb = add(app, "stats", "Show the figures of all instances and of what is being done");
    stats_verb->add_flag("-w,--watch", line.stats.watch, "Show it again and again, as it changes");
    runs(stats_verb, line, &stats, line.stats);
}

void add_operator_verbs(CLI::App& app, CommandLine& line) {
    auto& o = line.operation;
    auto* operation_verb = add(app, "operation", "Show an operation, or list them")->alias("operations");
    operation_verb->add_option("ID", o.id, "Of the operation, or \"list\"");
    operation_verb->add_option("--instance", o.instance, "Those of one instance");
    operation_verb->add_option("--state", o.state)
        ->check(CLI::IsMember({"running", "succeeded", "failed", "cancelled"}));
    operation_verb->add_option("--sort", o.sort, "By what, with - before it downwards [-created_at]")
        ->check(CLI::IsMember({"created_at", "-created_at"}));
    add_wait(operation_verb, o.wait, o.timeout);
    runs(operation_verb, line, &operation, o);

    add_orchestration_verbs(app, line);
    add_schedule_verbs(app, line);

    add(app, "version", "Show the releases of this program and of the server")->callback([&line] {
        line.remote = [](Session& session) { return version(session); };
    });
    add(app, "doctor",
        "Look whether server, database and Kubernetes are as they should be, and tell how to mend what is not")
        ->callback([&line] { line.remote = [](Session& session) { return doctor(session); }; });
    auto* level = add(app, "log-level", "Show or change what the server that answers logs, until it ends");
    level->add_option("LEVEL", line.log_level.level, "[shown]")
        ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}));
    runs(level, line, &log_level, line.log_level);
    add_insight_verbs(app, line);
}

void add_context_verbs(CLI::App& app, CommandLine& line) {
    auto* login_verb = add(app, "login", "Keep a server and a token as a context, once the token has been tried");
    login_verb->add_option("URL", line.login.url, "Of the server, such as https://toygres.example")->required();
    login_verb->add_option("--name", line.login.name, "Of the context [the host]");
    login_verb->add_flag("--token-stdin", line.login.token_stdin, "Read the token from the standard input");
    login_verb->callback(
        [&line] { line.print = [&line](Console& console) { return login(console, line.login, line.connection); }; });

    auto* group = add(app, "context", "Servers that were logged in to")->alias("contexts");
    group->require_subcommand(1);
    add(*group, "list", "List them")->alias("ls")->callback([&line] {
        line.print = [&line](Console& console) { return list_contexts(console, line.format); };
    });
    const auto add_named = [&](const char* name, const char* description, int (*body)(Console&, const std::string&)) {
        auto* verb = add(*group, name, description);
        verb->add_option("NAME", line.context_name, "Of the context")->required();
        verb->callback([&line, body] {
            line.print = [&line, body](Console& console) { return body(console, line.context_name); };
        });
        return verb;
    };
    add_named("use", "Talk to this one from now on", &use_context);
    add_named("delete", "Forget one and its token", &delete_context)->alias("rm");
}

// Whether the first argument of a verb is the name of an instance that exists.
bool takes_instance(const CLI::App& app, const std::string& verb) {
    if (verb == "create") return false;
    const auto options = app.get_options();
    const auto first = std::ranges::find_if(options, [](const CLI::Option* o) { return o->get_positional(); });
    return first != options.end() && (*first)->get_description() == "Name of the instance";
}

// Neither hidden nor a group of options, which has no name.
bool is_verb(const CLI::App& app) { return !app.get_name().empty() && !app.get_group().empty(); }

void add_option_words(const CLI::App& app, std::vector<std::string>& out) {
    for (const auto* option : app.get_options())
        if (!option->get_lnames().empty()) out.push_back("--" + option->get_lnames().front());
    for (const auto* group : app.get_subcommands({}))
        if (group->get_name().empty()) add_option_words(*group, out);
}

void collect_words(const CLI::App& app, const std::string& verb, std::vector<VerbWords>& out) {
    VerbWords words{verb, app.get_description(), {}, takes_instance(app, verb)};
    for (const auto* sub : app.get_subcommands({}))
        if (is_verb(*sub)) words.words.push_back(sub->get_name());
    add_option_words(app, words.words);
    out.push_back(std::move(words));
    for (const auto* sub : app.get_subcommands({}))
        if (is_verb(*sub)) collect_words(*sub, verb.empty() ? sub->get_name() : verb + " " + sub->get_name(), out);
}

void add_completion(CLI::App& app, CommandLine& line, std::string& shell) {
    auto* verb = add(app, "completion", "Print a script that completes this command in a shell");
    verb->add_option("SHELL", shell)->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    verb->callback([&app, &line, &shell] {
        std::vector<VerbWords> words;
        collect_words(app, "", words);
        line.print = [script = completion_script(shell, words)](Console& console) {
            console.out << script;
            return static_cast<int>(exit_ok);
        };
    });
}

void add_man(CLI::App& app, CommandLine& line) {
    add(app, "man", "Print the manual page; read it with: toygres man | man -l -")->callback([&app, &line] {
        line.print = [page = man_page(app)](Console& console) {
            console.out << page;
            return static_cast<int>(exit_ok);
        };
    });
}

// Where local verbs look is known once all options are read.
void settle_state_dir(CommandLine& line) {
    const auto dir = line.connection.state_dir.empty() ? default_state_dir() : line.connection.state_dir;
    if (line.rotate_key.seal_key_file.empty() && line.rotate_key.installation_secret.empty())
        line.rotate_key.seal_key_file = dir + "/seal.key";
    line.up.state_dir = line.down.state_dir = line.cluster.state_dir = dir;
    if (line.down.purge && !line.down.yes)
        line.question = fmt::format("Remove {} with the data of all instances? This cannot be undone.", dir);
}

}  // namespace

std::optional<int> parse(int argc, const char* const* argv, CommandLine& line, Console& console) {
    CLI::App app("toygres: PostgreSQL databases on Kubernetes", "toygres");
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help on all verbs");
    std::string shell;
    add_global_options(app, line);
    add_instance_verbs(app, line);
    add_operator_verbs(app, line);
    add_local_verbs(app, line);
    add_manifests(app, line);
    add_rotate_key(app, line);
    add_token_verbs(app, line);
    add_audit_verb(app, line);
    add_context_verbs(app, line);
    add_man(app, line);
    add_completion(app, line, shell);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e, console.out, console.err) == 0 ? exit_ok : exit_usage;
    }
    settle_state_dir(line);
    return std::nullopt;
}

}  // namespace toygres::cli
