#include "pg/rows.hpp"

#include <fmt/format.h>

namespace toygres::pg {
namespace {

void append_quoted(std::string& out, std::string_view value) {
    out += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

}  // namespace

std::string array_literal(const std::vector<std::string>& values) {
    std::string out = "{";
    for (const auto& value : values) {
        if (out.size() > 1) out += ',';
        append_quoted(out, value);
    }
    return out += '}';
}

std::string array_literal(const std::vector<std::optional<std::string>>& values) {
    std::string out = "{";
    for (const auto& value : values) {
        if (out.size() > 1) out += ',';
        if (value)
            append_quoted(out, *value);
        else
            out += "NULL";
    }
    return out += '}';
}

std::string array_literal(const std::vector<std::int64_t>& values) {
    return fmt::format("{{{}}}", fmt::join(values, ","));
}

void raise_unexpected_value(const PGresult* result, int column, std::string_view value) {
    const char* name = PQfname(result, column);
    raise(ErrorKind::internal, "unexpected_value",
          fmt::format("column {} holds an unexpected value of {} bytes", name ? name : "?", value.size()));
}

std::size_t Rows::affected() const {
    if (!result_) return 0;
    const std::string_view text = PQcmdTuples(result_.get());
    std::size_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

}  // namespace toygres::pg
