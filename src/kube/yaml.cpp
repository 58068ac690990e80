#include "kube/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <regex>

namespace toygres::kube {
namespace {

struct Located {
    int line;
    std::string problem;
};

Json to_json(const YAML::Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Scalar:
            return yaml_scalar(node.Scalar(), node.Tag() == "!");
        case YAML::NodeType::Sequence: {
            Json out = Json::array();
            for (const auto& item : node) out.push_back(to_json(item));
            return out;
        }
        case YAML::NodeType::Map: {
            Json out = Json::object();
            for (const auto& entry : node) {
                const auto line = entry.first.Mark().line + 1;
                if (!entry.first.IsScalar()) throw Located{line, "a key that is not a text"};
                const auto& key = entry.first.Scalar();
                if (out.contains(key)) throw Located{line, fmt::format("the key {} is there twice", key)};
                out[key] = to_json(entry.second);
            }
            return out;
        }
        default:
            return nullptr;
    }
}

}  // namespace

Json yaml_scalar(const std::string& text, bool quoted) {
    if (quoted) return text;
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    // As Kubernetes reads it: a leading zero is octal ("defaultMode: 0440").
    if (text.size() > 1 && text.front() == '0' && text.find_first_not_of("01234567") == std::string::npos)
        return std::stoll(text, nullptr, 8);
    const char* const begin = text.data() + (text.front() == '+' ? 1 : 0);
    const char* const end = text.data() + text.size();
    std::int64_t integer = 0;
    if (const auto [p, e] = std::from_chars(begin, end, integer); e == std::errc() && p == end) return integer;
    static const std::regex decimal(R"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)");
    double real = 0;
    if (std::regex_match(text, decimal))
        if (const auto [p, e] = std::from_chars(begin, end, real); e == std::errc() && p == end) return real;
    return text;
}

Result<Json> parse_yaml(std::string_view text, const std::string& name) {
    const auto failed = [&](int line, const std::string& problem) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_yaml", fmt::format("{}:{}: {}", name, line, problem)});
    };
    try {
        return to_json(YAML::Load(std::string(text)));
    } catch (const Located& e) {
        return failed(e.line, e.problem);
    } catch (const YAML::Exception& e) {
        return failed(e.mark.line + 1, e.msg);
    }
}

}  // namespace toygres::kube
