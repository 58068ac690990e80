#include "kube/placement.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

namespace toygres::kube {
namespace {

constexpr std::size_t annotations_max = 64;
constexpr std::size_t annotation_bytes_max = 16 << 10;
constexpr std::size_t ranges_max = 64;
constexpr double memory_least_milli = 64.0 * (1 << 20) * 1000;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// A DNS-1123 subdomain: names of cluster-wide objects, prefixes of annotation keys.
bool is_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    bool at_label_start = true;
    char before = '.';
    for (const char c : text) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (at_label_start ? !word : !(word || c == '-' || c == '.')) return false;
        if (c == '.' && before == '-') return false;
        at_label_start = c == '.';
        before = c;
    }
    return before != '.' && before != '-';
}

bool is_key_name(std::string_view text) {
    return !text.empty() && text.size() <= 63 && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_within(std::string_view prefix, std::string_view domain) {
    return prefix == domain || (prefix.ends_with(domain) && prefix[prefix.size() - domain.size() - 1] == '.');
}

// Why nobody but somebody else may set annotations of that prefix; empty: anybody may. What providers and add-ons read
// ("service.beta.kubernetes.io") is free; what is Kubernetes' own, and what loosens a pod's confinement, is not.
std::string_view reserved(std::string_view prefix) {
    if (is_within(prefix, "toygres.io")) return "is the control plane's own";
    if (prefix == "kubernetes.io" || prefix == "k8s.io" || prefix == "kubectl.kubernetes.io")
        return "is Kubernetes' own";
    if (is_within(prefix, "kubernetes.io") && prefix.contains("security"))
        return "is of the confinement of pods, which is not for choice";
    return {};
}

// What is wrong with a key; empty: nothing.
std::string problem_of_key(std::string_view key) {
    const auto slash = key.find('/');
    const bool prefixed = slash != std::string_view::npos;
    if (!is_key_name(prefixed ? key.substr(slash + 1) : key) || (prefixed && !is_subdomain(key.substr(0, slash))))
        return "must be a key such as \"name\" or \"example.com/name\": a name of at most 63 letters, digits, '-', "
               "'_' and '.', after a DNS name in lower case";
    if (const auto why = prefixed ? reserved(key.substr(0, slash)) : std::string_view(); !why.empty())
        return fmt::format("must have another prefix: {} {}", key.substr(0, slash), why);
    return {};
}

void check_annotations(const std::string& field, const std::optional<std::map<std::string, std::string>>& annotations,
                       std::vector<PlacementError>& out) {
    if (!annotations) return;
    if (annotations->size() > annotations_max)
        out.push_back({field, fmt::format("must be at most {} annotations", annotations_max)});
    std::size_t bytes = 0;
    for (const auto& [key, value] : *annotations) {
        bytes += key.size() + value.size();
        if (auto problem = problem_of_key(key); !problem.empty())
            out.push_back({field + "." + key, std::move(problem)});
        else if (std::ranges::any_of(value,
                                     [](unsigned char c) { return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f; }))
            out.push_back({field + "." + key, "must have no control characters"});
    }
    if (bytes > annotation_bytes_max)
        out.push_back({field, fmt::format("must be at most {} bytes together", annotation_bytes_max)});
}

// Its value; nullopt also when it is absent, or wrong (which is noted).
std::optional<double> check_quantity(const std::string& field, const std::optional<std::string>& text, double least,
                                     const char* example, std::vector<PlacementError>& out) {
    if (!text) return std::nullopt;
    const auto value = quantity_milli(*text);
    if (!value || *value < least) {
        out.push_back({field, fmt::format("must be a quantity such as {}", example)});
        return std::nullopt;
    }
    return value;
}

void check_resources(const std::optional<Resources>& resources, std::vector<PlacementError>& out) {
    if (!resources) return;
    const auto pair = [&](const char* name, const auto& request, const auto& limit, double least, const char* example) {
        const auto field = fmt::format("resources.{}_", name);
        const auto least_of = check_quantity(field + "request", request, least, example, out);
        const auto most = check_quantity(field + "limit", limit, least, example, out);
        if (least_of && most && *least_of > *most)
            out.push_back({field + "limit", fmt::format("must not be below the request, {}", *request)});
    };
    pair("cpu", resources->cpu_request, resources->cpu_limit, 1, "500m or 2");
    pair("memory", resources->memory_request, resources->memory_limit, memory_least_milli,
         "512Mi or 2Gi, at least 64Mi");
}

void check_class(const std::string& field, const std::optional<std::string>& name, std::vector<PlacementError>& out) {
    if (name && !is_subdomain(*name))
        out.push_back(
            {field, "must be lower case letters, digits, '-' and '.', and begin and end with one of the first"});
}

// The network of "10.1.2.3/8"; empty: that is none.
std::string canonical_network(const std::string& text) {
    boost::system::error_code error;
    if (const auto v4 = boost::asio::ip::make_network_v4(text, error); !error) return v4.canonical().to_string();
    if (const auto v6 = boost::asio::ip::make_network_v6(text, error); !error) return v6.canonical().to_string();
    return {};
}

void check_ranges(const std::optional<std::vector<std::string>>& ranges, bool load_balancer,
                  std::vector<PlacementError>& out) {
    if (!ranges || ranges->empty()) return;
    const std::string field = "load_balancer_source_ranges";
    if (!load_balancer)
        return out.push_back({field, "needs a load balancer, and an instance that is internal has none"});
    if (ranges->size() > ranges_max) out.push_back({field, fmt::format("must be at most {} ranges", ranges_max)});
    std::set<std::string> seen;
    for (std::size_t i = 0; i < ranges->size(); ++i) {
        const auto& range = (*ranges)[i];
        const auto at = fmt::format("{}[{}]", field, i);
        const auto network = canonical_network(range);
        if (network.empty())
            out.push_back({at, "must be a network such as 203.0.113.0/24 or 2001:db8::/32"});
        else if (network != range)
            out.push_back({at, "must be written as " + network});
        else if (!seen.insert(network).second)
            out.push_back({at, "must not be there twice"});
    }
}

}  // namespace

std::optional<double> quantity_milli(std::string_view text) {
    static constexpr std::pair<std::string_view, double> suffixes[] = {
        {"", 1e3},
        {"m", 1},
        {"k", 1e6},
        {"M", 1e9},
        {"G", 1e12},
        {"T", 1e15},
        {"P", 1e18},
        {"Ki", 1e3 * 1024},
        {"Mi", 1e3 * 1048576},
        {"Gi", 1e3 * 1073741824},
        {"Ti", 1e3 * 1099511627776},
        {"Pi", 1e3 * 1125899906842624},
    };
    const auto digits_end = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto digits = text.substr(0, digits_end);
    auto suffix = text.substr(digits_end);
    if (digits.empty() || digits.size() > 18 || std::ranges::count(digits, '.') > 1 || digits.front() == '.' ||
        digits.back() == '.')
        return std::nullopt;
    auto value = std::strtod(std::string(digits).c_str(), nullptr);
    if (suffix.size() >= 2 && (suffix.front() == 'e' || suffix.front() == 'E')) {
        const auto exponent = suffix.substr(1);
        if (exponent.size() > 2 || exponent.find_first_not_of("0123456789") != std::string_view::npos)
            return std::nullopt;
        value *= std::pow(10, std::atoi(std::string(exponent).c_str()));
        suffix = {};
    }
    const auto unit = std::ranges::find(suffixes, suffix, [](const auto& s) { return s.first; });
    if (unit == std::end(suffixes)) return std::nullopt;
    value *= unit->second;
    return value <= 1e21 ? std::optional(value) : std::nullopt;
}

std::vector<PlacementError> problems_of(const Placement& placement, bool load_balancer) {
    std::vector<PlacementError> out;
    if (placement.spread_required && !placement.spread)
        out.push_back({"spread_required", "says nothing without spread"});
    check_class("priority_class", placement.priority_class, out);
    if (placement.priority_class && placement.priority_class->starts_with("system-"))
        out.push_back({"priority_class", "must be another one: system- is for the cluster's own pods"});
    check_class("storage_class", placement.storage_class, out);
    check_resources(placement.resources, out);
    check_annotations("pod_annotations", placement.pod_annotations, out);
    check_annotations("service_annotations", placement.service_annotations, out);
    check_ranges(placement.load_balancer_source_ranges, load_balancer, out);
    return out;
}

}  // namespace toygres::kube
