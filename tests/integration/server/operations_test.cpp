// docs/operations.md: its tables of options against the programs' own help, its backup and restore for real.
#include "base/file.hpp"
#include "live_server.hpp"

#include <map>
#include <regex>
#include <sstream>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Option {
    std::string value;  // the default, "needed", or empty
    std::string environment;
    bool operator==(const Option&) const = default;
};
using Options = std::map<std::string, Option>;

std::ostream& operator<<(std::ostream& out, const Option& option) {
    return out << "default \"" << option.value << "\", environment \"" << option.environment << '"';
}

std::string bare(std::string text) {
    std::erase(text, '`');
    const auto begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// The table under "### `<command>`".
Options documented(const std::string& command) {
    Options out;
    std::istringstream lines(value_or_raise(read_file(TOYGRES_SOURCE_DIR "/docs/operations.md")));
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('#')) inside = line == "### `" + command + "`";
        if (!inside || !line.starts_with("| `--")) continue;
        std::vector<std::string> cells;
        std::istringstream row(line.substr(1));
        for (std::string cell; std::getline(row, cell, '|');) cells.push_back(bare(cell));
        REQUIRE(cells.size() == 4);
        CHECK_FALSE(cells[3].empty());
        out[cells[0]] = {cells[1], cells[2]};
    }
    return out;
}

// "[value]" at the end of a description, or "=value" behind the type.
std::string default_in(const std::string& head, const std::string& description) {
    std::smatch match;
    static const std::regex after_type("(?:^| )[A-Z][A-Z:]*(?:\\{[^}]*\\}| in \\[[^\\]]*\\])?=(\\[[^\\]]*\\]|[^ ]+)");
    static const std::regex at_end("\\[([^\\]]*)\\]$");
    auto out = std::regex_search(head, match, after_type)      ? match[1].str()
               : std::regex_search(description, match, at_end) ? match[1].str()
                                                               : std::string();
    if (out.starts_with('[')) out = out.substr(1, out.size() - 2);
    return out;
}

// What `--help` lists. An option begins with two dashes; what follows it, indented further, is its description.
Options offered(const std::vector<std::string>& command) {
    auto argv = command;
    argv.push_back("--help");
    std::vector<std::string> entries;
    std::istringstream lines(ran(argv).output);
    static const std::regex option("^ {2,4}(-[a-z],)?(--[a-z-]+).*");
    for (std::string line; std::getline(lines, line);) {
        if (std::regex_match(line, option))
            entries.push_back(line);
        else if (!entries.empty() && line.starts_with("                 "))
            entries.back() += "  " + bare(line);
        else if (!entries.empty() && !line.starts_with("  "))
            entries.emplace_back();
    }
    Options out;
    static const std::regex parts("^ +(?:-[a-z],)?(--[a-z-]+)(.*?)(?:  +(.*))?$");
    static const std::regex variable("\\(Env:([A-Z_]+)\\)");
    for (const auto& entry : entries) {
        std::smatch match;
        if (!std::regex_match(entry, match, parts) || match[1] == "--help" || match[1] == "--help-all") continue;
        const auto head = match[2].str();
        std::smatch found;
        const auto environment = std::regex_search(head, found, variable) ? found[1].str() : "";
        out[match[1]] = {head.contains("REQUIRED") ? "needed" : default_in(head, match[3]), environment};
    }
    return out;
}

void check_table(const std::string& name, const std::vector<std::string>& command) {
    const auto listed = documented(name);
    const auto real = offered(command);
    REQUIRE(real.size() >= 3);
    for (const auto& [option, what] : real) {
        INFO(name << " " << option);
        REQUIRE(listed.contains(option));
        CHECK(listed.at(option) == what);
    }
    for (const auto& [option, what] : listed) {
        INFO(name << " " << option);
        CHECK(real.contains(option));
    }
}

// Another empty database of the same server; its conninfo.
std::string new_database() { return shared_postgres().create_database(); }

bool works(LiveServer& server) {
    const auto metrics = server.call("GET", "/metrics").body;
    const std::regex turns("toygres_runtime_turns_total ([0-9]+)");
    std::smatch match;
    return std::regex_search(metrics, match, turns) && match[1] != "0";
}

}  // namespace

TEST_CASE("operations: every option of server and agent is listed with its default and variable") {
    check_table("toygres server", {program("toygres"), "server"});
    check_table("toygres-agent run", {program("toygres-agent"), "run"});
    check_table("toygres-agent native", {program("toygres-agent"), "native"});
}

TEST_CASE("operations: a server goes on with a CMS that was dumped while it ran and restored elsewhere") {
    const auto original = new_database();
    const auto restored = new_database();
    LiveServer before(original);
    REQUIRE(before.call("POST", "/api/v1/instances", {{"name", "mydb"}, {"password", "correct horse"}}).status == 202);
    const auto instance = value_or_raise(parse_json(before.call("GET", "/api/v1/instances/mydb").body));
    const auto orchestration = instance.at("create_orchestration_id").get<std::string>();
    const auto key = before.directory() + "/kept.key";
    value_or_raise(write_file_atomically(key, value_or_raise(read_file(before.seal_key_file())), 0600));

    const auto dump = before.directory() + "/cms.dump";
    const auto dumped =
        ran({server_binaries() + "/pg_dump", "--format=custom", "--file=" + dump, "--dbname=" + original});
    INFO(dumped.errors);
    REQUIRE(dumped.status.ok());
    CHECK(before.stop().ok());
    const auto loaded = ran({server_binaries() + "/pg_restore", "--exit-on-error", "--dbname=" + restored, dump});
    INFO(loaded.errors);
    REQUIRE(loaded.status.ok());

    LiveServer after(restored, key);
    CHECK(eventually([&] { return works(after); }));
    const auto found = after.call("GET", "/api/v1/instances/mydb");
    REQUIRE(found.status == 200);
    CHECK(value_or_raise(parse_json(found.body)).at("id") == instance.at("id"));
    // What was under way is under way again, and takes orders.
    const auto status = [&] {
        const auto shown = after.call("GET", "/api/v1/orchestrations/" + orchestration);
        return value_or_raise(parse_json(shown.body)).at("status").get<std::string>();
    };
    CHECK(eventually([&] { return status() == "running"; }));
    CHECK(after.call("POST", "/api/v1/instances", {{"name", "another"}}).status == 202);
    CHECK(after.call("POST", "/api/v1/orchestrations/" + orchestration + "/terminate", {{"reason", "a test"}}).status <
          300);
    CHECK(eventually([&] { return status() == "terminated"; }));
}
