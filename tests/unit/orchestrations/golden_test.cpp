// Histories that earlier releases recorded for real, replayed by this one: an orchestration that runs when its server
// is replaced goes on where it was. See docs/decisions/0017.
#include "base/file.hpp"
#include "orchestrations/registry.hpp"
#include "runtime/core/execution.hpp"
#include "runtime/core/registry.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <set>

using namespace toygres;
using namespace toygres::runtime;

namespace {

constexpr auto what_to_do =
    "The steps of an orchestration have changed: those that run now would be parked by the next release. Leave the "
    "code of "
    "this version as it is, and register the changed one beside it under the next version; then record its history "
    "(tests/e2e/golden_test.cpp says how). CONTRIBUTING.md, \"Changing an orchestration\".";

struct Golden {
    std::string file;
    std::string orchestration;
    int version;
    std::vector<Event> events;
};

std::vector<Golden> golden_histories() {
    std::vector<Golden> out;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(TOYGRES_SOURCE_DIR) + "/tests/golden")) {
        if (entry.path().extension() != ".json") continue;
        const auto json = value_or_raise(parse_json(value_or_raise(read_file(entry.path()))));
        out.push_back({entry.path().filename().string(), json.at("orchestration").get<std::string>(),
                       json.at("version").get<int>(), value_or_raise(events_from_text(json.at("events").dump()))});
    }
    return out;
}

}  // namespace

TEST_CASE("golden: what earlier releases recorded is replayed to the letter") {
    OrchestrationRegistry registry;
    orchestrations::register_orchestrations(registry);
    for (const auto& golden : golden_histories()) {
        INFO(golden.file << "\n" << what_to_do);
        const auto* type = registry.find(golden.orchestration, golden.version);
        REQUIRE(type != nullptr);
        Execution execution(*type, Identity{"golden", 1, 1});
        const auto replayed = execution.replay(golden.events);
        INFO((replayed ? std::string() : replayed.error().message));
        CHECK(replayed);
    }
}

TEST_CASE("golden: every orchestration of the product has a history, and one whose steps changed is told") {
    OrchestrationRegistry registry;
    orchestrations::register_orchestrations(registry);
    std::set<std::string> recorded;
    int told = 0;
    for (auto golden : golden_histories()) {
        recorded.insert(golden.orchestration);
        const auto step = std::ranges::find_if(golden.events, [](const Event& e) { return !is_arrival(e.kind); });
        REQUIRE(step != golden.events.end());
        step->name += "_of_another_time";
        Execution execution(*registry.find(golden.orchestration, golden.version), Identity{"golden", 1, 1});
        told += execution.replay(golden.events) ? 0 : 1;
    }
    CHECK(told == static_cast<int>(golden_histories().size()));
    for (const auto* name : {"create_instance", "delete_instance", "health_check", "keep_certificates", "post_alert",
                             "repair_drift", "schedule", "supervisor", "verify_replication"}) {
        INFO(name);
        CHECK(registry.latest(name) != nullptr);
        CHECK(recorded.contains(name));
    }
}
