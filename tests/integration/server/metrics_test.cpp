// docs/metrics.md against what a server exports.
#include "base/file.hpp"
#include "live_server.hpp"

#include <map>
#include <set>
#include <sstream>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Metric {
    std::string type;
    std::set<std::string> labels;
    bool operator==(const Metric&) const = default;
};
using Metrics = std::map<std::string, Metric>;

std::vector<std::string> cells_of(const std::string& row) {
    std::vector<std::string> out;
    std::istringstream text(row.substr(1));
    for (std::string cell; std::getline(text, cell, '|');) {
        const auto begin = cell.find_first_not_of(' ');
        out.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
    }
    return out;
}

// The words in `backquotes`.
std::vector<std::string> quoted(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = text.find('`'); at != std::string::npos; at = text.find('`', at)) {
        const auto end = text.find('`', at + 1);
        out.push_back(text.substr(at + 1, end - at - 1));
        at = end + 1;
    }
    return out;
}

// Rows of tables that begin with a metric's name: | `name` | type | `label`, `label` | meaning |
Metrics documented() {
    Metrics out;
    std::istringstream lines(value_or_raise(read_file(TOYGRES_SOURCE_DIR "/docs/metrics.md")));
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `")) continue;
        const auto cells = cells_of(line);
        REQUIRE(cells.size() == 4);
        const auto labels = quoted(cells[2]);
        CHECK(out.emplace(quoted(cells[0]).front(), Metric{cells[1], {labels.begin(), labels.end()}}).second);
        CHECK_FALSE(cells[3].empty());
    }
    return out;
}

std::string family_of(const std::string& sample, const Metrics& known) {
    const auto name = sample.substr(0, sample.find_first_of("{ "));
    for (const std::string suffix : {"_bucket", "_sum", "_count"})
        if (name.ends_with(suffix) && known.contains(name.substr(0, name.size() - suffix.size())))
            return name.substr(0, name.size() - suffix.size());
    return name;
}

std::set<std::string> labels_of(const std::string& sample) {
    std::set<std::string> out;
    for (auto at = sample.find('{'); at != std::string::npos && sample[at] != '}';) {
        const auto equals = sample.find("=\"", at);
        out.insert(sample.substr(at + 1, equals - at - 1));
        at = sample.find('"', equals + 2) + 1;
    }
    out.erase("le");
    return out;
}

// Families by their "# TYPE" lines, with the labels of their samples; one without samples has none.
Metrics exported(const std::string& text) {
    Metrics out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) {
            const auto space = line.find(' ', 7);
            CHECK(out.emplace(line.substr(7, space - 7), Metric{line.substr(space + 1), {}}).second);
        } else if (!line.empty() && !line.starts_with('#')) {
            const auto family = family_of(line, out);
            INFO(line);
            REQUIRE(out.contains(family));
            out[family].labels.merge(labels_of(line));
        }
    }
    return out;
}

std::string names_of(const Metrics& metrics, const Metrics& but) {
    std::string out;
    for (const auto& [name, metric] : metrics)
        if (!but.contains(name)) out += name + "\n";
    return out;
}

}  // namespace

TEST_CASE("metrics: docs/metrics.md lists what a server exports, each with its type and labels") {
    LiveServer server(shared_postgres().create_database());
    REQUIRE(server.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto listed = documented();
    REQUIRE(listed.size() > 30);
    Metrics seen;
    const auto complete = [&] {
        seen = exported(server.call("GET", "/metrics").body);
        return names_of(listed, seen).empty();
    };
    const bool all = eventually(complete);
    INFO("documented, but not exported:\n" << names_of(listed, seen));
    CHECK(all);
    INFO("exported, but not documented:\n" << names_of(seen, listed));
    CHECK(names_of(seen, listed).empty());
    for (const auto& [name, metric] : seen) {
        if (!listed.contains(name)) continue;
        INFO(name);
        CHECK(metric.type == listed.at(name).type);
        if (!metric.labels.empty()) CHECK(metric.labels == listed.at(name).labels);
    }
}

TEST_CASE("metrics: the sessions to the CMS are counted whoever they are for") {
    LiveServer server(shared_postgres().create_database());
    CHECK(server.call("GET", "/metrics").body.contains("toygres_cms_pool_connections_max 16\n"));
}

TEST_CASE("metrics: names are as Prometheus wants them") {
    for (const auto& [name, metric] : documented()) {
        INFO(name);
        CHECK((name.starts_with("toygres_") || name.starts_with("process_")));
        CHECK((metric.type == "counter") == name.ends_with("_total"));
        if (metric.type == "histogram") CHECK(name.ends_with("_seconds"));
    }
}
