#include "api/route.hpp"
#include "support/catch.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

using namespace toygres;

namespace {

using Calls = std::set<std::pair<std::string, std::string>>;

const std::set<std::string> methods{"get", "post", "put", "patch", "delete"};

YAML::Node contract() { return YAML::LoadFile(std::string(TOYGRES_SOURCE_DIR) + "/api/openapi.yaml"); }

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

void collect_refs(const YAML::Node& node, std::set<std::string>& out) {
    if (node.IsMap()) {
        for (const auto& pair : node) {
            if (pair.first.as<std::string>() == "$ref") out.insert(pair.second.as<std::string>());
            collect_refs(pair.second, out);
        }
    } else if (node.IsSequence()) {
        for (const auto& item : node) collect_refs(item, out);
    }
}

}  // namespace

TEST_CASE("contract: openapi.yaml has the paths and methods of the routes, no more and no less") {
    Calls described;
    for (const auto& path : contract()["paths"])
        for (const auto& method : path.second)
            if (methods.contains(method.first.as<std::string>()))
                described.emplace(method.first.as<std::string>(), path.first.as<std::string>());
    Calls served;
    for (const auto& route : api::all_routes()) served.emplace(lower(route.method), route.pattern);
    CHECK(described == served);
}

TEST_CASE("contract: a call is open in openapi.yaml when its route needs no token") {
    const auto paths = contract()["paths"];
    for (const auto& route : api::all_routes()) {
        INFO(route.pattern);
        const auto call = paths[std::string(route.pattern)][lower(route.method)];
        CHECK((call["security"] && call["security"].size() == 0) == (route.needs == api::Needs::nothing));
    }
}

TEST_CASE("contract: every reference in openapi.yaml leads somewhere") {
    const auto document = contract();
    std::set<std::string> refs;
    collect_refs(document, refs);
    CHECK_FALSE(refs.empty());
    for (const auto& ref : refs) {
        INFO(ref);
        REQUIRE(ref.starts_with("#/components/"));
        const auto rest = ref.substr(13);
        const auto slash = rest.find('/');
        CHECK(document["components"][rest.substr(0, slash)][rest.substr(slash + 1)].IsDefined());
    }
}
