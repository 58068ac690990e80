#include "kube/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>

namespace toygres::kube {
namespace {

struct Located {
    int line;
    std::string problem;
};

Json to_json(const YAML::Node& node, YamlBounds bounds) {
    if (!bounds.enter()) throw Located{node.Mark().line + 1, YamlBounds::problem};
    switch (node.Type()) {
        case YAML::NodeType::Scalar:
            return yaml_scalar(node.Scalar(), node.Tag() == "!");
        case YAML::NodeType::Sequence: {
            Json out = Json::array();
            for (const auto& item : node) out.push_back(to_json(item, bounds));
            return out;
        }
        case YAML::NodeType::Map: {
            Json out = Json::object();
            for (const auto& entry : node) {
                const auto line = entry.first.Mark().line + 1;
                if (!entry.first.IsScalar()) throw Located{line, "a key that is not a text"};
                const auto& key = entry.first.Scalar();
                if (out.contains(key)) throw Located{line, fmt::format("the key {} is there twice", key)};
                out[key] = to_json(entry.second, bounds);
            }
            return out;
        }
        default:
            return nullptr;
    }
}

}  // namespace

std::optional<std::size_t> end_of_utf8(std::string_view text) {
    const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
    for (std::size_t at = 0; at < text.size();) {
        const auto first = byte(at);
        const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        // The least and the most that the second byte may be: no overlong forms, no surrogates, nothing above U+10FFFF.
        const unsigned least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        const unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (length == 0 || first > 0xf4) return at;
        if (length > 1 && (byte(at + 1) < least || byte(at + 1) > most)) return at;
        for (std::size_t i = 2; i < length; ++i)
            if (byte(at + i) < 0x80 || byte(at + i) > 0xbf) return at;
        at += length;
    }
    return std::nullopt;
}

Json yaml_scalar(const std::string& text, bool quoted) {
    if (quoted) return text;
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    // As Kubernetes reads it: a leading zero is octal ("defaultMode: 0440").
    const bool octal = text.size() > 1 && text.front() == '0' && text.find_first_not_of("01234567") == text.npos;
    if (text.find_first_not_of("+-.0123456789eE") != text.npos || text.starts_with("+-")) return text;
    const char* const begin = text.data() + (text.front() == '+' ? 1 : 0);
    const char* const end = text.data() + text.size();
    std::int64_t integer = 0;
    if (const auto [p, e] = std::from_chars(begin, end, integer, octal ? 8 : 10); e == std::errc() && p == end)
        return integer;
    double real = 0;
    if (const auto [p, e] = std::from_chars(begin, end, real); e == std::errc() && p == end && !octal) return real;
    return text;
}

Result<Json> parse_yaml(std::string_view text, const std::string& name) {
    const auto failed = [&](int line, const std::string& problem) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_yaml", fmt::format("{}:{}: {}", name, line, problem)});
    };
    if (const auto at = end_of_utf8(text))
        return failed(static_cast<int>(std::ranges::count(text.substr(0, *at), '\n')) + 1, "is not UTF-8");
    try {
        int nodes = 0;
        return to_json(YAML::Load(std::string(text)), YamlBounds(nodes));
    } catch (const Located& e) {
        return failed(e.line, e.problem);
    } catch (const YAML::Exception& e) {
        return failed(e.mark.line + 1, e.msg);
    }
}

}  // namespace toygres::kube
