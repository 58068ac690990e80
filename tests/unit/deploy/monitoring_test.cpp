// deploy/monitoring against docs/metrics.md and docs/operations.md.
#include "base/file.hpp"
#include "base/json.hpp"
#include "support/catch.hpp"

#include <yaml-cpp/yaml.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

using namespace toygres;

namespace {

std::string file(const std::string& path) {
    return value_or_raise(read_file(std::string(TOYGRES_SOURCE_DIR) + "/" + path));
}

std::vector<YAML::Node> alert_rules() {
    std::vector<YAML::Node> out;
    for (const auto& group : YAML::Load(file("deploy/monitoring/alerts.yaml"))["groups"])
        for (const auto& rule : group["rules"]) out.push_back(rule);
    return out;
}

using Labels = std::set<std::string>;

// Every match of a pattern's first group.
Labels found(const std::string& text, const std::string& pattern) {
    Labels out;
    const std::regex regex(pattern);
    for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) out.insert((*it)[1]);
    return out;
}

// What tells of a metric in a table of docs/metrics.md, with the names that a histogram has in PromQL, and its labels:
// its own, and those that Prometheus gives to whatever it scrapes.
std::map<std::string, Labels> known_metrics() {
    const Labels of_all{"job", "instance"};
    std::map<std::string, Labels> out{{"up", of_all}};
    const auto text = file("docs/metrics.md");
    const std::regex row("\\| `([a-z_]+)` \\| ([a-z]+) \\| ([^|]*)\\|");
    for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
        auto labels = found((*it)[3], "`([a-z0-9_]+)`");
        labels.insert(of_all.begin(), of_all.end());
        if ((*it)[2] != "histogram") {
            out[(*it)[1]] = labels;
            continue;
        }
        for (const auto* suffix : {"_sum", "_count"}) out[(*it)[1].str() + suffix] = labels;
        labels.insert("le");
        out[(*it)[1].str() + "_bucket"] = labels;
    }
    return out;
}

// `told`: what is shown with its result, in which a label is "{{route}}" or "{{ $labels.route }}".
void check_expression(const std::string& expression, const std::string& told,
                      const std::map<std::string, Labels>& known) {
    INFO(expression);
    const std::regex name("\\b(toygres_[a-z_]+|process_[a-z_]+|up)\\b(?:\\{([^}]*)\\})?");
    Labels of_any;
    for (std::sregex_iterator it(expression.begin(), expression.end(), name), end; it != end; ++it) {
        INFO(it->str());
        const auto metric = known.find((*it)[1]);
        REQUIRE(metric != known.end());
        for (const auto& label : found((*it)[2], "([a-z0-9_]+) *(?:=|!)")) {
            INFO(label);
            CHECK(metric->second.contains(label));
        }
        of_any.insert(metric->second.begin(), metric->second.end());
    }
    CHECK_FALSE(of_any.empty());
    auto used = found(told, "\\{\\{ *(?:\\$labels\\.)?([a-z0-9_]+) *(?:\\||\\})");
    for (const auto& list : found(expression, "\\b(?:by|without|on|ignoring) *\\(([^)]*)\\)"))
        used.merge(found(list, "([a-z0-9_]+)"));
    for (const auto& label : used) {
        INFO(label);
        CHECK(of_any.contains(label));
    }
}

// As GitHub makes it of a heading of one word.
std::set<std::string> anchors_of(const std::string& document) {
    std::set<std::string> out;
    std::istringstream lines(file(document));
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("### ")) continue;
        auto anchor = line.substr(4);
        std::ranges::transform(anchor, anchor.begin(), [](unsigned char c) { return std::tolower(c); });
        out.insert(anchor);
    }
    return out;
}

}  // namespace

TEST_CASE("alerts: each has a summary, a severity, a time, metrics and labels that exist, and a runbook") {
    const auto rules = alert_rules();
    const auto known = known_metrics();
    const auto anchors = anchors_of("docs/operations.md");
    CHECK(rules.size() >= 12);
    std::set<std::string> names;
    for (const auto& rule : rules) {
        const auto name = rule["alert"].as<std::string>();
        INFO(name);
        CHECK(names.insert(name).second);
        const auto told =
            rule["annotations"]["summary"].as<std::string>() + rule["annotations"]["description"].as<std::string>();
        check_expression(rule["expr"].as<std::string>(), told, known);
        CHECK(std::regex_match(rule["for"].as<std::string>(), std::regex("[0-9]+[mh]")));
        const auto severity = rule["labels"]["severity"].as<std::string>();
        CHECK((severity == "critical" || severity == "warning"));
        CHECK_FALSE(rule["annotations"]["summary"].as<std::string>().empty());
        CHECK_FALSE(rule["annotations"]["description"].as<std::string>().empty());
        const auto runbook = rule["annotations"]["runbook_url"].as<std::string>();
        REQUIRE(runbook.starts_with("docs/operations.md#"));
        CHECK(anchors.contains(runbook.substr(runbook.find('#') + 1)));
    }
}

TEST_CASE("alerts: promtool's cases show each of them silent, and firing") {
    std::set<std::string> silent;
    std::set<std::string> firing;
    for (const auto& test : YAML::Load(file("deploy/monitoring/alerts_test.yaml"))["tests"])
        for (const auto& look : test["alert_rule_test"])
            (look["exp_alerts"].size() == 0 ? silent : firing).insert(look["alertname"].as<std::string>());
    std::set<std::string> all;
    for (const auto& rule : alert_rules()) all.insert(rule["alert"].as<std::string>());
    CHECK(silent == all);
    CHECK(firing == all);
}

TEST_CASE("metrics: no label has a value for each execution, request or operation") {
    for (const auto& [metric, labels] : known_metrics()) {
        INFO(metric);
        for (const auto* endless :
             {"id", "execution", "execution_id", "orchestration", "operation", "request_id", "trace_id"}) {
            INFO(endless);
            CHECK_FALSE(labels.contains(endless));
        }
    }
}

TEST_CASE("dashboard: panels do not overlap, and ask for metrics and labels that exist") {
    const auto dashboard = value_or_raise(parse_json(file("deploy/monitoring/dashboard.json")));
    CHECK(dashboard.at("schemaVersion").get<int>() >= 36);
    CHECK_FALSE(dashboard.at("title").get<std::string>().empty());
    const auto known = known_metrics();
    std::set<int> ids;
    std::set<std::pair<int, int>> taken;
    for (const auto& panel : dashboard.at("panels")) {
        INFO(panel.at("title").get<std::string>());
        CHECK(ids.insert(panel.at("id").get<int>()).second);
        const auto& at = panel.at("gridPos");
        CHECK(at.at("x").get<int>() + at.at("w").get<int>() <= 24);
        for (int x = 0; x < at.at("w").get<int>(); ++x)
            for (int y = 0; y < at.at("h").get<int>(); ++y)
                REQUIRE(taken.emplace(at.at("x").get<int>() + x, at.at("y").get<int>() + y).second);
        if (panel.at("type") == "row") continue;
        CHECK(panel.at("datasource").at("uid") == "${datasource}");
        CHECK_FALSE(panel.at("targets").empty());
        for (const auto& target : panel.at("targets"))
            check_expression(target.at("expr").get<std::string>(), target.value("legendFormat", ""), known);
    }
    CHECK(ids.size() > 20);
    CHECK(dashboard.at("templating").at("list").at(0).at("type") == "datasource");
}
