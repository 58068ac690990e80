#include "cli/output.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>

namespace toygres::cli {
namespace {

// Text that YAML reads as the same text without quotes. "15", "true" and "~" are not.
bool is_plain(const std::string& text) {
    static const std::vector<std::string> words{"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    if (text.empty() || !std::isalpha(static_cast<unsigned char>(text.front()))) return false;
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (std::ranges::find(words, lower) != words.end()) return false;
    return std::ranges::all_of(
        text, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; });
}

void emit(YAML::Emitter& out, const Json& value) {
    switch (value.type()) {
        case Json::value_t::object:
            if (value.empty()) out << YAML::Flow;
            out << YAML::BeginMap;
            for (const auto& [key, item] : value.items()) {
                out << YAML::Key;
                emit(out, Json(key));
                out << YAML::Value;
                emit(out, item);
            }
            out << YAML::EndMap;
            break;
        case Json::value_t::array:
            if (value.empty()) out << YAML::Flow;
            out << YAML::BeginSeq;
            for (const auto& item : value) emit(out, item);
            out << YAML::EndSeq;
            break;
        case Json::value_t::string: {
            const auto& text = value.get_ref<const std::string&>();
            if (!is_plain(text)) out << YAML::DoubleQuoted;
            out << text;
            break;
        }
        case Json::value_t::null:
            out << YAML::Null;
            break;
        default:
            out << value.dump();
    }
}

// Columns on a screen, not bytes: continuation bytes of UTF-8 take none.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
    const auto have = width_of(text);
    return text + std::string(width > have ? width - have : 0, ' ');
}

}  // namespace

std::string render(const Json& value, Format format) {
    if (format == Format::json) return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    YAML::Emitter out;
    emit(out, value);
    return std::string(out.c_str()) + "\n";
}

std::string Table::text() const {
    std::vector<std::size_t> widths(rows_.front().size(), 1);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    std::string out;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) line += padded(row[i].empty() ? "-" : row[i], widths[i]) + "  ";
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

std::string section(const std::string& title, const std::vector<std::pair<std::string, std::string>>& lines) {
    std::size_t width = 0;
    for (const auto& [label, value] : lines) width = std::max(width, label.size() + 1);
    std::string out = title + "\n";
    for (const auto& [label, value] : lines)
        if (!value.empty()) out += fmt::format("  {}  {}\n", padded(label + ":", width), value);
    return out;
}

std::string text_at(const Json& object, const std::string& key) {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null()) return {};
    return it->is_string() ? it->get<std::string>() : it->dump();
}

std::string age(const std::string& rfc3339, Timestamp now) {
    using namespace std::chrono;
    const auto then = parse_rfc3339(rfc3339);
    if (!then) return {};
    const auto past = std::max(duration_cast<seconds>(now - *then), seconds(0));
    if (past < 2min) return fmt::format("{}s", past.count());
    if (past < 2h) return fmt::format("{}m", duration_cast<minutes>(past).count());
    if (past < 48h) return fmt::format("{}h", duration_cast<hours>(past).count());
    return fmt::format("{}d", duration_cast<hours>(past).count() / 24);
}

std::string time_text(const std::string& rfc3339) {
    const auto time = parse_rfc3339(rfc3339);
    if (!time) return rfc3339;
    auto out = format_rfc3339(*time).substr(0, 19);
    out[10] = ' ';
    return out;
}

}  // namespace toygres::cli
