#include "kube/placement.hpp"

#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace toygres;
using namespace toygres::kube;

namespace {

std::vector<std::string> wrong(const Placement& placement, bool load_balancer = true) {
    std::vector<std::string> out;
    for (const auto& problem : problems_of(placement, load_balancer)) {
        CHECK_FALSE(problem.message.empty());
        out.push_back(problem.field);
    }
    return out;
}

using Fields = std::vector<std::string>;

}  // namespace

TEST_CASE("placement: quantities are read as Kubernetes reads them") {
    CHECK(quantity_milli("500m") == 500);
    CHECK(quantity_milli("2") == 2000);
    CHECK(quantity_milli("0.5") == 500);
    CHECK(quantity_milli("1Ki") == 1024e3);
    CHECK(quantity_milli("1.5Gi") == 1.5 * 1073741824e3);
    CHECK(quantity_milli("1G") == 1e12);
    CHECK(quantity_milli("1e3") == 1e6);
    for (const auto* text : {"", "m", "1g", "-1", "+1", "1 Gi", ".5", "5.", "1.2.3", "1e", "1e999", "much", "1GiB"}) {
        INFO(text);
        CHECK_FALSE(quantity_milli(text));
    }
}

TEST_CASE("placement: what Kubernetes takes is taken") {
    CHECK(wrong({}).empty());
    CHECK(wrong({.spread = Spread::zone,
                 .spread_required = true,
                 .priority_class = "databases.high",
                 .resources = Resources{"500m", "2", "1Gi", "1Gi"},
                 .storage_class = "fast-ssd",
                 .pod_annotations = {{{"cluster-autoscaler.kubernetes.io/safe-to-evict", "false"}, {"plain", ""}}},
                 .service_annotations = {{{"service.beta.kubernetes.io/aws-load-balancer-type", "nlb"}}},
                 .load_balancer_source_ranges = {{"203.0.113.0/24", "0.0.0.0/0", "2001:db8::/32"}}})
              .empty());
    CHECK(wrong({.load_balancer_source_ranges = std::vector<std::string>{}}, false).empty());
}

TEST_CASE("placement: each wrong field is named") {
    CHECK(wrong({.spread_required = true}) == Fields{"spread_required"});
    for (const auto* name : {"", "High", "a_b", "-a", "a-", "a..b", "a.-b", "system-node-critical"}) {
        INFO(name);
        CHECK(wrong({.priority_class = name}) == Fields{"priority_class"});
    }
    CHECK(wrong({.storage_class = std::string(254, 'a')}) == Fields{"storage_class"});
    CHECK(wrong({.resources = Resources{"0", "much", "10Mi", "-1"}}) ==
          Fields{"resources.cpu_request", "resources.cpu_limit", "resources.memory_request", "resources.memory_limit"});
    CHECK(wrong({.resources = Resources{"1500m", "1", "2Gi", "1Gi"}}) ==
          Fields{"resources.cpu_limit", "resources.memory_limit"});
}

TEST_CASE("placement: annotations have keys that are neither malformed nor somebody else's") {
    for (const auto* key : {"", "-a", "a b", "a/b/c", "/a", "A.com/a", "example.com/", "toygres.io/name",
                            "x.toygres.io/name", "kubernetes.io/x", "k8s.io/x", "kubectl.kubernetes.io/restartedAt",
                            "container.apparmor.security.beta.kubernetes.io/postgres"}) {
        INFO(key);
        const auto field = std::string("pod_annotations.") + key;
        CHECK(wrong({.pod_annotations = {{{key, "x"}}}}) == Fields{field});
    }
    CHECK(wrong({.pod_annotations = {{{std::string(64, 'a'), "x"}}}}).size() == 1);
    CHECK(wrong({.service_annotations = {{{"a", std::string("\x01")}}}}) == Fields{"service_annotations.a"});
    CHECK(wrong({.service_annotations = {{{"a", std::string(17 << 10, 'x')}}}}) == Fields{"service_annotations"});
    std::map<std::string, std::string> many;
    for (int i = 0; i < 65; ++i) many["a" + std::to_string(i)] = "";
    CHECK(wrong({.pod_annotations = many}) == Fields{"pod_annotations"});
}

TEST_CASE("placement: source ranges are networks, each once, of a load balancer") {
    const auto one = [](const std::string& range) { return Placement{.load_balancer_source_ranges = {{range}}}; };
    for (const auto* range : {"", "10.0.0.1", "10.0.0.0/33", "10.0.0/8", "10.0.0.1/8", "2001:db8::1/32", "all"}) {
        INFO(range);
        CHECK(wrong(one(range)) == Fields{"load_balancer_source_ranges[0]"});
    }
    CHECK(problems_of(one("10.0.0.1/8"), true).front().message == "must be written as 10.0.0.0/8");
    CHECK(wrong({.load_balancer_source_ranges = {{"10.0.0.0/8", "10.0.0.0/8"}}}) ==
          Fields{"load_balancer_source_ranges[1]"});
    CHECK(wrong(one("10.0.0.0/8"), false) == Fields{"load_balancer_source_ranges"});
}

TEST_CASE("placement: what is stored is read again, also by a release that knows more") {
    const Placement placement{.spread = Spread::hostname, .resources = Resources{.memory_limit = "1Gi"}};
    auto stored = encode(placement);
    CHECK(stored == Json{{"spread", "hostname"}, {"resources", {{"memory_limit", "1Gi"}}}});
    stored["later"] = true;
    CHECK(decode<Placement>(stored) == placement);
    CHECK(decode<Placement>(Json::object()) == Placement{});
}
