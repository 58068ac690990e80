// The group "token" of verbs, straight in the CMS when its database is named, else by the API; and the audit.
#include "cli/parse_helpers.hpp"

namespace toygres::cli {
namespace {

using Action = TokenOptions::Action;

int perform(Session& session, const TokenOptions& options) {
    switch (options.action) {
        case Action::create:
            return create_token(session, options);
        case Action::list:
            return list_tokens(session, options);
        case Action::revoke:
            break;
    }
    return revoke_token(session, options);
}

CLI::App* add_action(CLI::App& group, CommandLine& line, const char* name, Action action, const char* description) {
    auto& o = line.token;
    auto* verb = add(group, name, description);
    add_database(verb, o.database_url, o.database_password_file, o.schema, false);
    add_installation(verb, o.installation_secret);
    if (action != Action::list) verb->add_option("NAME", o.name, "Name of the token")->required();
    verb->callback([&line, &o, action] {
        o.action = action;
        if (o.database_url.empty())
            line.remote = [&o](Session& session) { return perform(session, o); };
        else
            line.local = [&o](const Launcher& launcher) {
                if (!launcher.token) raise(ErrorKind::invalid, "not_available", "this build cannot do that");
                return launcher.token(o);
            };
    });
    return verb;
}

}  // namespace

void add_token_verbs(CLI::App& app, CommandLine& line) {
    auto& o = line.token;
    o.role = "operator";
    auto* group =
        add(app, "token", "Make, list and revoke tokens of the API (with --database-url straight in the CMS)");
    group->require_subcommand(1);
    auto* create =
        add_action(*group, line, "create", Action::create, "Make a token and print it; it is shown this once");
    auto* role = create
                     ->add_option("--role", o.role,
                                  "viewer: reads; operator: has instances of its own; admin: may do everything")
                     ->check(CLI::IsMember({"viewer", "operator", "admin"}))
                     ->capture_default_str();
    create
        ->add_option_function<std::string>(
            "--scope", [&o](const std::string& scope) { o.role = scope == "write" ? "admin" : "viewer"; },
            "As before there were roles: read is viewer, write is admin")
        ->check(CLI::IsMember({"read", "write"}))
        ->excludes(role);
    create->add_option("--owner", o.owner, "Whom it speaks for: instances belong to an owner [the token's name]");
    add_duration(create, "--expires", [&o](auto value) { o.expires_in = value; }, "Lifetime, such as 30d [for ever]");
    add_action(*group, line, "list", Action::list, "List tokens, newest first");
    add_action(*group, line, "revoke", Action::revoke, "Revoke a token");
}

void add_audit_verb(CLI::App& app, CommandLine& line) {
    auto& o = line.audit;
    o.limit = 100;
    auto* verb = add(app, "audit", "Show who was refused, and who did what only few may do");
    verb->add_option("--caller", o.caller, "Name of a token");
    verb->add_option("--action", o.action, "Such as credentials.read");
    verb->add_option("--object", o.object, "Name or id of what it was about");
    verb->add_option("--outcome", o.outcome)->check(CLI::IsMember({"begun", "done", "denied", "failed"}));
    verb->add_option("-n,--limit", o.limit, "The last so many; 0: all")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    runs(verb, line, &audit, o);
}

}  // namespace toygres::cli
