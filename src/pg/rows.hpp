// Query results and parameters, in PostgreSQL's text format.
#pragma once
#include "base/json.hpp"

#include <libpq-fe.h>

#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::pg {

// A named constant: the name labels prepared statements, logs and metrics.
struct Query {
    const char* name;
    const char* sql;
};

using Param = std::optional<std::string>;
using Params = std::vector<Param>;

// What a tool printed may be anything: bytes that are not UTF-8 become U+FFFD.
inline std::string json_text(const Json& v) { return v.dump(-1, ' ', false, Json::error_handler_t::replace); }

inline Param to_param(std::string_view v) { return std::string(v); }
inline Param to_param(const std::string& v) { return v; }
inline Param to_param(const char* v) { return std::string(v); }
inline Param to_param(bool v) { return std::string(v ? "true" : "false"); }
template <class T>
    requires std::is_arithmetic_v<T>
Param to_param(T v) {
    return std::to_string(v);
}
inline Param to_param(const Json& v) { return v.is_null() ? Param() : Param(json_text(v)); }
inline Param to_param(std::nullopt_t) { return std::nullopt; }
inline Param to_param(Timestamp v) { return format_rfc3339(v); }
template <class T> Param to_param(const std::optional<T>& v) { return v ? to_param(*v) : Param(); }

template <class... Ts> Params params(const Ts&... values) { return {to_param(values)...}; }

// A PostgreSQL array literal of the elements; strings are quoted.
std::string array_literal(const std::vector<std::string>& values);
std::string array_literal(const std::vector<std::optional<std::string>>& values);
std::string array_literal(const std::vector<std::int64_t>& values);

class Row {
  public:
    Row(const PGresult* result, int row) : result_(result), row_(row) {}
    bool null(int column) const { return PQgetisnull(result_, row_, column) != 0; }
    std::string_view text(int column) const {
        return {PQgetvalue(result_, row_, column), static_cast<std::size_t>(PQgetlength(result_, row_, column))};
    }
    // T: std::string, bool, integers, double, Timestamp, Json, std::optional of those. A value that does not fit T is a
    // bug of the query and throws internal/"unexpected_value".
    template <class T> T get(int column) const;

  private:
    const PGresult* result_;
    int row_;
};

[[noreturn]] void raise_unexpected_value(const PGresult* result, int column, std::string_view value);

template <class T> T Row::get(int column) const {
    if constexpr (json_detail::is_optional<T>::value) {
        if (null(column)) return std::nullopt;
        return get<typename T::value_type>(column);
    } else if constexpr (std::is_same_v<T, Json>) {
        if (null(column)) return Json();
        auto json = parse_json(text(column));
        if (!json) raise_unexpected_value(result_, column, text(column));
        return *std::move(json);
    } else {
        const auto value = text(column);
        if (null(column)) raise_unexpected_value(result_, column, "NULL");
        if constexpr (std::is_same_v<T, std::string>) {
            return std::string(value);
        } else if constexpr (std::is_same_v<T, bool>) {
            return value == "t";
        } else if constexpr (std::is_same_v<T, Timestamp>) {
            const auto t = parse_rfc3339(value);
            if (!t) raise_unexpected_value(result_, column, value);
            return *t;
        } else {
            T out{};
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
            if (error != std::errc() || end != value.data() + value.size())
                raise_unexpected_value(result_, column, value);
            return out;
        }
    }
}

class Rows {
  public:
    Rows() = default;
    explicit Rows(PGresult* result) : result_(result, &PQclear) {}
    std::size_t size() const { return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0; }
    bool empty() const { return size() == 0; }
    Row operator[](std::size_t i) const { return {result_.get(), static_cast<int>(i)}; }
    std::size_t affected() const;

    class Iterator {
      public:
        Iterator(const PGresult* result, int row) : result_(result), row_(row) {}
        Row operator*() const { return {result_, row_}; }
        Iterator& operator++() {
            ++row_;
            return *this;
        }
        bool operator==(const Iterator&) const = default;

      private:
        const PGresult* result_;
        int row_;
    };
    Iterator begin() const { return {result_.get(), 0}; }
    Iterator end() const { return {result_.get(), static_cast<int>(size())}; }

  private:
    std::shared_ptr<PGresult> result_;
};

}  // namespace toygres::pg
