#include "localkube/object_store.hpp"

#include <fmt/format.h>

#include <set>

namespace toygres::localkube {
namespace {

enum class Operator { in, not_in, exists, absent };

struct Requirement {
    std::string key;
    Operator op;
    std::set<std::string, std::less<>> values;
};

Error invalid_selector(std::string_view text, std::string_view problem) {
    return {ErrorKind::invalid, "invalid_selector",
            fmt::format("unable to parse requirement: {} in \"{}\"", problem, text)};
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

// Splits at commas outside of parentheses; empty parts are dropped.
std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> out;
    int depth = 0;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] == '(') ++depth;
        if (i < text.size() && text[i] == ')') --depth;
        if (i != text.size() && (text[i] != ',' || depth > 0)) continue;
        if (const auto part = trimmed(text.substr(start, i - start)); !part.empty()) out.push_back(part);
        start = i + 1;
    }
    return out;
}

bool is_key(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
    });
}

Result<Requirement> parse_requirement(std::string_view text) {
    const auto bad = [&](std::string_view problem) { return std::unexpected(invalid_selector(text, problem)); };
    if (text.front() == '!') {
        const auto key = trimmed(text.substr(1));
        if (!is_key(key)) return bad("invalid key");
        return Requirement{std::string(key), Operator::absent, {}};
    }
    if (const auto open = text.find('('); open != std::string_view::npos) {
        const auto head = trimmed(text.substr(0, open));
        const auto gap = head.rfind(' ');
        if (gap == std::string_view::npos || text.back() != ')') return bad("expected \"key in (values)\"");
        const auto word = head.substr(gap + 1);
        const auto key = trimmed(head.substr(0, gap));
        if ((word != "in" && word != "notin") || !is_key(key)) return bad("expected \"in\" or \"notin\"");
        Requirement out{std::string(key), word == "in" ? Operator::in : Operator::not_in, {}};
        for (const auto value : split(text.substr(open + 1, text.size() - open - 2))) out.values.emplace(value);
        return out;
    }
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
        if (!is_key(text)) return bad("invalid key");
        return Requirement{std::string(text), Operator::exists, {}};
    }
    const bool negated = equals > 0 && text[equals - 1] == '!';
    const auto key = trimmed(text.substr(0, equals - (negated ? 1 : 0)));
    auto value = text.substr(equals + 1);
    if (value.starts_with('=')) value.remove_prefix(1);
    value = trimmed(value);
    if (!is_key(key) || (!value.empty() && !is_key(value))) return bad("invalid key or value");
    return Requirement{std::string(key), negated ? Operator::not_in : Operator::in, {std::string(value)}};
}

bool holds(const Requirement& requirement, const Object& labels) {
    const auto it = labels.is_object() ? labels.find(requirement.key) : labels.end();
    const bool present = labels.is_object() && it != labels.end() && it->is_string();
    switch (requirement.op) {
        case Operator::in:
            return present && requirement.values.contains(it->get_ref<const std::string&>());
        case Operator::not_in:
            return !present || !requirement.values.contains(it->get_ref<const std::string&>());
        case Operator::exists:
            return present;
        case Operator::absent:
            return !present;
    }
    return false;
}

// The text of the member at a dotted path; empty when there is none.
std::string field_text(const Object& object, std::string_view path) {
    const auto* at = &object;
    while (!path.empty()) {
        const auto dot = path.find('.');
        if (!at->is_object()) return {};
        const auto it = at->find(std::string(path.substr(0, dot)));
        if (it == at->end()) return {};
        at = &*it;
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    }
    if (at->is_null()) return {};
    return at->is_string() ? at->get<std::string>() : at->dump();
}

}  // namespace

Result<std::function<bool(const Object&)>> label_selector(std::string_view text) {
    std::vector<Requirement> requirements;
    for (const auto part : split(text)) {
        auto requirement = parse_requirement(part);
        if (!requirement) return std::unexpected(requirement.error());
        requirements.push_back(*std::move(requirement));
    }
    return [requirements = std::move(requirements)](const Object& object) {
        static const Object none = Object::object();
        const auto& metadata = object.at("metadata");
        const auto it = metadata.find("labels");
        const auto& labels = it == metadata.end() ? none : *it;
        return std::ranges::all_of(requirements, [&](const auto& r) { return holds(r, labels); });
    };
}

Result<std::function<bool(const Object&)>> field_selector(std::string_view text) {
    struct Term {
        std::string path;
        bool equal;
        std::string value;
    };
    std::vector<Term> terms;
    for (const auto part : split(text)) {
        const auto equals = part.find('=');
        const bool negated = equals != std::string_view::npos && equals > 0 && part[equals - 1] == '!';
        if (equals == std::string_view::npos || equals == (negated ? 1U : 0U))
            return std::unexpected(invalid_selector(text, "expected field=value"));
        auto value = part.substr(equals + 1);
        if (value.starts_with('=')) value.remove_prefix(1);
        terms.push_back({std::string(part.substr(0, equals - (negated ? 1 : 0))), !negated, std::string(value)});
    }
    return [terms = std::move(terms)](const Object& object) {
        return std::ranges::all_of(terms,
                                   [&](const Term& t) { return (field_text(object, t.path) == t.value) == t.equal; });
    };
}

bool matches_selector(const Object& selector, const Object& labels) {
    if (!selector.is_object()) return false;
    if (const auto it = selector.find("matchLabels"); it != selector.end() && it->is_object())
        for (const auto& [key, value] : it->items())
            if (!labels.is_object() || labels.value(key, Json()) != value) return false;
    if (const auto it = selector.find("matchExpressions"); it != selector.end() && it->is_array())
        for (const auto& expression : *it) {
            const auto word = expression.value("operator", "");
            Requirement requirement{expression.value("key", ""), Operator::in, {}};
            if (word == "NotIn")
                requirement.op = Operator::not_in;
            else if (word == "Exists")
                requirement.op = Operator::exists;
            else if (word == "DoesNotExist")
                requirement.op = Operator::absent;
            else if (word != "In")
                return false;
            for (const auto& value : expression.value("values", Json::array()))
                if (value.is_string()) requirement.values.insert(value.get<std::string>());
            if (!holds(requirement, labels)) return false;
        }
    return true;
}

}  // namespace toygres::localkube
