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

// The first `width` characters; the last of them "…" when there were more.
std::string cut(const std::string& text, std::size_t width) {
    if (width_of(text) <= width) return text;
    std::size_t end = 0;
    for (std::size_t columns = 0; end < text.size(); ++end)
        if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && columns++ == width - 1) break;
    return text.substr(0, end) + "…";
}

constexpr std::size_t column_width_min = 8;

// Takes from the widest column until all fit, or none can give any more.
void fit(std::vector<std::size_t>& widths, std::size_t terminal_width) {
    constexpr std::size_t gap = 2;
    auto total = gap * (widths.size() - 1);
    for (const auto width : widths) total += width;
    while (total > terminal_width) {
        auto& widest = *std::ranges::max_element(widths);
        if (widest <= column_width_min) return;
        --widest;
        --total;
    }
}

std::string name_of(const Json& object) {
    for (const auto* key : {"name", "id"})
        if (const auto it = object.find(key); it != object.end() && it->is_string()) return it->get<std::string>();
    if (const auto it = object.find("instance"); it != object.end())
        return it->is_object() ? name_of(*it) : it->is_string() ? it->get<std::string>() : "";
    return {};
}

}  // namespace

std::vector<std::string> names_in(const Json& answer) {
    std::vector<std::string> out;
    if (answer.is_object())
        if (auto name = name_of(answer); !name.empty()) return {name};
    for (const auto& [key, list] : answer.items())
        if (list.is_array()) {
            for (const auto& item : list)
                if (item.is_object()) out.push_back(name_of(item));
            return out;
        }
    raise(ErrorKind::invalid, "no_name", "what this prints has no name; use --output table, json or yaml");
}

std::string render(const Json& value, Format format) {
    if (format == Format::json) return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    YAML::Emitter out;
    emit(out, value);
    return std::string(out.c_str()) + "\n";
}

std::string Table::text(int terminal_width) const {
    std::vector<std::size_t> widths(rows_.front().size(), 1);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    if (terminal_width > 0) fit(widths, static_cast<std::size_t>(terminal_width));
    std::string out;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += padded(cut(row[i].empty() ? "-" : row[i], widths[i]), widths[i]) + "  ";
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
