// What the verbs print: the API's own objects as JSON or YAML, tables for people.
#pragma once
#include "base/json.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace toygres::cli {

// wide: a table with more columns, which may be wider than the terminal; name: names alone, one a line.
enum class Format { table, wide, json, yaml, name };
BOOST_DESCRIBE_ENUM(Format, table, wide, json, yaml, name)

// Indented JSON, or YAML in which every string reads back as a string.
std::string render(const Json& value, Format format);

// The name of each object of a list, or of the one object; an id where it has no name. Error: invalid/"no_name".
std::vector<std::string> names_in(const Json& answer);

// Columns as wide as their widest cell, two spaces apart; an empty cell shows as "-".
class Table {
  public:
    explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::size_t size() const { return rows_.size() - 1; }
    // In a terminal of so many columns the widest cells are cut, with "…" at their end; 0: as wide as it gets.
    std::string text(int terminal_width = 0) const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

// "Title" over indented "Label: value" lines, values aligned; lines without a value are left out.
std::string section(const std::string& title, const std::vector<std::pair<std::string, std::string>>& lines);

// A member of an object as text: strings bare, numbers and lists as JSON; empty when absent or null.
std::string text_at(const Json& object, const std::string& key);
// "3m ago" lengths: "12s", "5m", "3h", "4d"; empty when the text is no time.
std::string age(const std::string& rfc3339, Timestamp now);
// "2026-11-21 05:04:57" in UTC.
std::string time_text(const std::string& rfc3339);

}  // namespace toygres::cli
