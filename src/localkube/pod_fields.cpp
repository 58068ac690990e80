#include "localkube/pod_fields.hpp"

#include "localkube/object_fields.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace toygres::localkube {
namespace {

std::string all_of(const Object& map) {
    std::string out;
    if (map.is_object())
        for (const auto& [key, value] : map.items())
            out += fmt::format("{}{}={}", out.empty() ? "" : "\n", key, value.is_string() ? value.dump() : "\"\"");
    return out;
}

}  // namespace

std::optional<std::string> pod_field(const Object& pod, const std::string& path) {
    for (const std::string map : {"metadata.labels", "metadata.annotations"}) {
        if (path == map) return all_of(field_at(pod, map));
        if (path.starts_with(map + "['") && path.ends_with("']")) {
            const auto& values = field_at(pod, map);
            const auto key = path.substr(map.size() + 2, path.size() - map.size() - 4);
            const auto it = values.is_object() ? values.find(key) : values.end();
            return values.is_object() && it != values.end() && it->is_string() ? it->get<std::string>() : "";
        }
    }
    if (path == "status.podIPs") return text_at(pod, "status.podIP");
    for (const char* known : {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
                              "spec.serviceAccountName", "status.podIP", "status.hostIP"})
        if (path == known) return text_at(pod, path);
    return std::nullopt;
}

std::optional<double> parse_quantity(const std::string& text) {
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (end == text.c_str()) return std::nullopt;
    const std::string_view unit(end);
    constexpr std::pair<std::string_view, double> units[] = {
        {"", 1},     {"m", 1e-3},    {"k", 1e3},        {"M", 1e6},           {"G", 1e9},
        {"T", 1e12}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
    for (const auto& [name, factor] : units)
        if (unit == name) return number * factor;
    return std::nullopt;
}

std::string resource_field(const Object& pod, const Object& container, const Object& reference) {
    const auto* of = &container;
    const auto name = text_at(reference, "containerName");
    if (!name.empty())
        for (const auto& other : list_at(pod, "spec.containers"))
            if (text_at(other, "name") == name) of = &other;
    const auto& value = field_at(*of, "resources." + text_at(reference, "resource"));
    const auto quantity = parse_quantity(value.is_string() ? value.get<std::string>() : value.dump()).value_or(0);
    const auto divisor = parse_quantity(text_at(reference, "divisor", "1")).value_or(1);
    return fmt::format("{:.0f}", std::ceil(quantity / (divisor > 0 ? divisor : 1)));
}

}  // namespace toygres::localkube
