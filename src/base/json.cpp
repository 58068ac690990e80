#include "base/json.hpp"

#include <fmt/format.h>

namespace toygres {
namespace json_detail {

void raise_field(const std::string& path, const std::string& problem) {
    const auto where = path.empty() ? std::string("(the whole document)") : path;
    raise(ErrorKind::invalid, "invalid_field", where + ": " + problem, {{"field", path}, {"problem", problem}});
}

const char* type_name(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "null";
        case Json::value_t::boolean:
            return "true or false";
        case Json::value_t::string:
            return "a string";
        case Json::value_t::array:
            return "a list";
        case Json::value_t::object:
            return "an object";
        default:
            return "a number";
    }
}

std::string join(const std::string& path, std::string_view member) {
    return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

std::string join(const std::string& path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

std::int64_t integer(const Json& value, const std::string& path, std::int64_t low, std::int64_t high) {
    if (!value.is_number_integer()) raise_field(path, std::string("expected a whole number, got ") + type_name(value));
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(high))
        raise_field(path, fmt::format("must be at most {}", high));
    const auto out = value.get<std::int64_t>();
    if (out < low || out > high) raise_field(path, fmt::format("must be between {} and {}", low, high));
    return out;
}

std::string enum_choices(const std::vector<std::string>& names) {
    return fmt::format("one of {}", fmt::join(names, ", "));
}

}  // namespace json_detail

namespace {

std::unexpected<Error> not_json(std::string_view text, std::size_t at, std::string_view problem) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (const char c : text.substr(0, at)) {
        column = c == '\n' ? 1 : column + 1;
        line += c == '\n';
    }
    return std::unexpected(Error{ErrorKind::invalid, "invalid_json",
                                 fmt::format("not JSON: {} at line {}, column {}", problem, line, column)});
}

// Where a number stands that no double can hold, by the words of the parser: "number overflow parsing '1e999'".
std::size_t place_of_number(std::string_view text, std::string_view words) {
    const auto open = words.find('\'');
    const auto close = words.rfind('\'');
    if (open == close) return 0;
    const auto at = text.find(words.substr(open + 1, close - open - 1));
    return at == std::string_view::npos ? 0 : at;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& e) {
        return not_json(text, e.byte > 0 ? std::min(e.byte - 1, text.size()) : 0, "unexpected text");
    } catch (const Json::out_of_range& e) {
        return not_json(text, place_of_number(text, e.what()), "a number that is too large");
    }
}

}  // namespace toygres
