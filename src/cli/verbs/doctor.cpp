#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto skew_max = 2s;
constexpr auto slow_answer = 1s;

Json check(std::string name, std::string status, std::string message, std::string advice = {}) {
    Json out = {{"name", std::move(name)}, {"status", std::move(status)}, {"message", std::move(message)}};
    if (!advice.empty()) out["advice"] = std::move(advice);
    return out;
}

Json check_release(const Json& version) {
    const auto server = text_at(version, "version");
    if (server == TOYGRES_VERSION) return check("cli.version", "ok", "this program and the server are both " + server);
    return check("cli.version", "warning", fmt::format("this program is {}, the server is {}", TOYGRES_VERSION, server),
                 "use the program of the server's release: what one has, the other may lack");
}

Json check_answer(Timestamp asked, Timestamp answered, const std::string& url) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(answered - asked);
    const auto message = fmt::format("{} answers in {}", url, format_duration(took));
    if (took > slow_answer) return check("server.reachable", "warning", message, "look at the network, and its load");
    return check("server.reachable", "ok", message);
}

// The server's time lies between the question and the answer when the clocks agree.
Json check_clock(const std::string& server_time, Timestamp asked, Timestamp answered) {
    const auto theirs = parse_rfc3339(server_time);
    if (!theirs) return check("cli.clock", "warning", "the server did not tell its time", "bring it to this release");
    const auto skew =
        std::chrono::duration_cast<std::chrono::milliseconds>(*theirs < asked      ? *theirs - asked
                                                              : *theirs > answered ? *theirs - answered
                                                                                   : Timestamp::duration{});
    const auto message = fmt::format("the server's clock is {} off", format_duration(std::chrono::abs(skew)));
    if (std::chrono::abs(skew) > skew_max)
        return check("cli.clock", "warning", message, "let both keep their time by NTP: ages shown here are wrong");
    return check("cli.clock", "ok", message);
}

std::string advice_for(const Error& error) {
    if (error.code == "server_untrusted") return "give its CA with --ca-file";
    if (error.code == "unexpected_answer") return "see that --api-url names a toygres server";
    return "start a server with toygres up, or name one with --api-url or toygres login";
}

void check_server(Session& session, Json& checks) {
    const auto asked = now();
    const auto version = session.api.call("GET", "/version");
    const auto answered = now();
    if (!version) {
        checks.push_back(check("server.reachable", "failed", version.error().message, advice_for(version.error())));
        return;
    }
    checks.push_back(check_answer(asked, answered, session.api.settings().api_url));
    checks.push_back(check_release(*version));
    const auto asked_again = now();
    const auto system = session.api.call("GET", "/api/v1/system/checks");
    if (!system) {
        checks.push_back(check("server.checks", "failed", system.error().message,
                               system.error().code == "insufficient_scope"
                                   ? "only an administrator's token is told more; ask for one, or ask whoever has one"
                               : system.error().kind == ErrorKind::forbidden
                                   ? "log in with a token that is valid: toygres login URL"
                                   : "see the server's log; its request is on record there"));
        return;
    }
    checks.push_back(check_clock(text_at(*system, "time"), asked_again, now()));
    for (const auto& one : system->value("checks", Json::array())) checks.push_back(one);
}

std::string mark_of(const Console& console, const std::string& status) {
    if (status == "ok") return console.paint("✓", "32");
    return status == "warning" ? console.paint("!", "33") : console.paint("✗", "31");
}

int count(const Json& checks, std::string_view status) {
    return static_cast<int>(std::ranges::count_if(checks, [&](const Json& c) { return c.at("status") == status; }));
}

void print(Session& session, const Json& checks) {
    std::size_t width = 0;
    for (const auto& one : checks) width = std::max(width, text_at(one, "name").size());
    auto& console = session.console;
    for (const auto& one : checks) {
        console.out << fmt::format("{} {:<{}}  {}\n", mark_of(console, text_at(one, "status")), text_at(one, "name"),
                                   width, text_at(one, "message"));
        if (const auto advice = text_at(one, "advice"); !advice.empty())
            console.out << fmt::format("  {:<{}}  {} {}\n", "", width, console.paint("→", "1"), advice);
    }
    console.out << fmt::format("\n{} ok, {} warning{}, {} failed\n", count(checks, "ok"), count(checks, "warning"),
                               count(checks, "warning") == 1 ? "" : "s", count(checks, "failed"));
}

}  // namespace

int doctor(Session& session) {
    Json checks = Json::array();
    check_server(session, checks);
    if (!session.print_raw({{"checks", checks}})) print(session, checks);
    return count(checks, "failed") == 0 ? exit_ok : exit_failed;
}

int log_level(Session& session, const LogLevelOptions& options) {
    const std::string target = "/api/v1/system/log-level";
    const auto answer = options.level.empty()
                            ? session.api.get(target)
                            : value_or_raise(session.api.call("PUT", target, {{"level", options.level}}));
    if (!session.print_raw(answer))
        session.console.out << fmt::format("{} logs from {}\n", text_at(answer, "server"), text_at(answer, "level"));
    return exit_ok;
}

}  // namespace toygres::cli
