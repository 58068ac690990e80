// What the parts of the parser share. Inside src/cli only.
#pragma once
#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>

namespace toygres::cli {

inline CLI::App* add(CLI::App& app, const std::string& name, const std::string& description) {
    auto* verb = app.add_subcommand(name, description);
    verb->fallthrough();  // global options may follow the verb
    return verb;
}

inline void add_duration(CLI::App* verb, const std::string& name, std::function<void(std::chrono::milliseconds)> set,
                         const std::string& description) {
    verb->add_option_function<std::string>(
            name,
            [name, set = std::move(set)](const std::string& text) {
                const auto value = parse_duration(text);
                if (!value) throw CLI::ValidationError(name, "takes a duration such as 30s, 10m or 2h, not " + text);
                set(*value);
            },
            description)
        ->type_name("DURATION");
}

inline void add_wait(CLI::App* verb, bool& wait, std::chrono::milliseconds& timeout) {
    timeout = std::chrono::minutes(10);
    verb->add_flag("--wait,-w", wait, "Wait for the end, showing how it gets on");
    add_duration(verb, "--timeout", [&timeout](auto value) { timeout = value; }, "How long to wait [10m]");
}

inline void add_database(CLI::App* verb, std::string& url, std::string& password_file, std::string& schema,
                         bool required) {
    schema = "toygres_cms";
    verb->add_option("--database-url", url, "The CMS: a PostgreSQL URL or connection string")
        ->envname("TOYGRES_DATABASE_URL")
        ->required(required);
    verb->add_option("--database-password-file", password_file, "A file with its password, which the URL lacks")
        ->envname("TOYGRES_DATABASE_PASSWORD_FILE");
    verb->add_option("--schema", schema, "Schema of the CMS")->capture_default_str();
}

inline CLI::Option* add_installation(CLI::App* verb, std::string& secret) {
    return verb
        ->add_option("--installation-secret", secret,
                     "Secret of this pod's namespace that an installation keeps its keys and passwords in")
        ->envname("TOYGRES_INSTALLATION_SECRET");
}

inline CLI::Option* add_name(CLI::App* verb, std::string& name) {
    return verb->add_option("NAME", name, "Name of the instance")->required();
}

template <class Options>
void runs(CLI::App* verb, CommandLine& line, int (*body)(Session&, const Options&), const Options& options) {
    verb->callback(
        [&line, body, &options] { line.remote = [body, &options](Session& s) { return body(s, options); }; });
}

// The group "replication" of verbs.
void add_replication_verbs(CLI::App& app, CommandLine& line);
// The group "orchestrations" of verbs.
void add_orchestration_verbs(CLI::App& app, CommandLine& line);
// The group "token" of verbs.
void add_token_verbs(CLI::App& app, CommandLine& line);
void add_audit_verb(CLI::App& app, CommandLine& line);
// The group "schedules" of verbs.
void add_schedule_verbs(CLI::App& app, CommandLine& line);

}  // namespace toygres::cli
