#include "localkube/yaml_json.hpp"

#include "kube/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace toygres::localkube {
namespace {

Json scalar(const YAML::Node& node) {
    const auto& text = node.Scalar();
    if (node.Tag() == "!") return text;
    if (text == "true" || text == "false") return text == "true";
    if (text == "null" || text == "~" || text.empty()) return nullptr;
    const auto number = Json::parse(text, nullptr, false);
    return number.is_number() ? number : Json(text);
}

Json convert(const YAML::Node& node, kube::YamlBounds bounds) {
    if (!bounds.enter()) throw YAML::ParserException(node.Mark(), kube::YamlBounds::problem);
    if (node.IsScalar()) return scalar(node);
    if (node.IsSequence()) {
        Json out = Json::array();
        for (const auto& item : node) out.push_back(convert(item, bounds));
        return out;
    }
    if (!node.IsMap()) return nullptr;
    Json out = Json::object();
    for (const auto& entry : node) out[entry.first.Scalar()] = convert(entry.second, bounds);
    return out;
}

}  // namespace

Result<Json> parse_yaml(const std::string& text) {
    if (kube::end_of_utf8(text))
        return std::unexpected(Error{ErrorKind::invalid, "invalid_json", "not YAML: the text is not UTF-8"});
    try {
        int nodes = 0;
        return convert(YAML::Load(text), kube::YamlBounds(nodes));
    } catch (const YAML::Exception& e) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_json",
                  fmt::format("not YAML: {} at line {}, column {}", e.msg, e.mark.line + 1, e.mark.column + 1)});
    }
}

}  // namespace toygres::localkube
