// JSON for described types: one BOOST_DESCRIBE_STRUCT per type, no hand-written mapping. A member is required unless it
// is a std::optional; absent optionals are left out. Errors name the member's path ("spec.storage_gb").
#pragma once
#include "base/error.hpp"
#include "base/time.hpp"

#include <boost/describe.hpp>
#include <boost/mp11.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace toygres {

using Json = nlohmann::json;

// `refuse` for request bodies (a typing error must not pass unseen), `ignore` for stored history.
enum class UnknownKeys { refuse, ignore };

// The output or input of something that has none.
struct Nothing {
    bool operator==(const Nothing&) const = default;
};
BOOST_DESCRIBE_STRUCT(Nothing, (), ())

namespace json_detail {

template <class T> struct is_optional : std::false_type {};
template <class T> struct is_optional<std::optional<T>> : std::true_type {};
template <class T> struct is_vector : std::false_type {};
template <class T> struct is_vector<std::vector<T>> : std::true_type {};
template <class T> struct is_map : std::false_type {};
template <class T> struct is_map<std::map<std::string, T>> : std::true_type {};

template <class T>
concept DescribedStruct = boost::describe::has_describe_members<T>::value && !std::is_enum_v<T>;
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

// Path and expectation of a value that does not fit: invalid/"invalid_field", details {"field": path}.
[[noreturn]] void raise_field(const std::string& path, const std::string& problem);
const char* type_name(const Json& value);

std::string join(const std::string& path, std::string_view member);
std::string join(const std::string& path, std::size_t index);
std::int64_t integer(const Json& value, const std::string& path, std::int64_t low, std::int64_t high);
// For an enum: "one of a, b, c".
std::string enum_choices(const std::vector<std::string>& names);

}  // namespace json_detail

template <class T> Json encode(const T& value);

template <class T> T decode(const Json& value, UnknownKeys unknown = UnknownKeys::ignore, const std::string& path = {});

// The enumerator's own name.
template <json_detail::DescribedEnum E> std::string enum_name(E value) {
    return boost::describe::enum_to_string(value, "?");
}

template <json_detail::DescribedEnum E> std::optional<E> enum_from(std::string_view name) {
    E out{};
    if (boost::describe::enum_from_string(std::string(name).c_str(), out)) return out;
    return std::nullopt;
}

template <class T> Json encode(const T& value) {
    using namespace json_detail;
    if constexpr (std::is_same_v<T, Json>) {
        return value;
    } else if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
        return Json(value);
    } else if constexpr (std::is_same_v<T, Timestamp>) {
        return Json(format_rfc3339(value));
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
        return Json(value.count());
    } else if constexpr (std::is_same_v<T, Error>) {
        return to_json_value(value);
    } else if constexpr (is_optional<T>::value) {
        return value ? encode(*value) : Json();
    } else if constexpr (is_vector<T>::value) {
        Json out = Json::array();
        for (const auto& item : value) out.push_back(encode(item));
        return out;
    } else if constexpr (is_map<T>::value) {
        Json out = Json::object();
        for (const auto& [key, item] : value) out[key] = encode(item);
        return out;
    } else if constexpr (DescribedEnum<T>) {
        return Json(enum_name(value));
    } else {
        static_assert(DescribedStruct<T>, "describe the type with BOOST_DESCRIBE_STRUCT");
        Json out = Json::object();
        boost::mp11::mp_for_each<Members<T>>([&](auto d) {
            auto item = encode(value.*d.pointer);
            if (!item.is_null()) out[d.name] = std::move(item);
        });
        return out;
    }
}

template <class T> T decode(const Json& value, UnknownKeys unknown, const std::string& path) {
    using namespace json_detail;
    const auto expect = [&](bool ok, const char* what) {
        if (!ok) raise_field(path, std::string("expected ") + what + ", got " + type_name(value));
    };
    if constexpr (std::is_same_v<T, Json>) {
        return value;
    } else if constexpr (std::is_same_v<T, bool>) {
        expect(value.is_boolean(), "true or false");
        return value.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(integer(value, path, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                      sizeof(T) == 8 ? std::numeric_limits<std::int64_t>::max()
                                                     : static_cast<std::int64_t>(std::numeric_limits<T>::max())));
    } else if constexpr (std::is_floating_point_v<T>) {
        expect(value.is_number(), "a number");
        return value.get<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        expect(value.is_string(), "a string");
        return value.get<std::string>();
    } else if constexpr (std::is_same_v<T, Timestamp>) {
        expect(value.is_string(), "an RFC 3339 time");
        const auto t = parse_rfc3339(value.get_ref<const std::string&>());
        if (!t) raise_field(path, "expected an RFC 3339 time");
        return *t;
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
        return std::chrono::milliseconds(integer(value, path, 0, std::numeric_limits<std::int64_t>::max()));
    } else if constexpr (std::is_same_v<T, Error>) {
        expect(value.is_object(), "an error object");
        return error_from_json(value);
    } else if constexpr (is_optional<T>::value) {
        if (value.is_null()) return std::nullopt;
        return decode<typename T::value_type>(value, unknown, path);
    } else if constexpr (is_vector<T>::value) {
        expect(value.is_array(), "a list");
        T out;
        out.reserve(value.size());
        for (std::size_t i = 0; i < value.size(); ++i)
            out.push_back(decode<typename T::value_type>(value[i], unknown, join(path, i)));
        return out;
    } else if constexpr (is_map<T>::value) {
        expect(value.is_object(), "an object");
        T out;
        for (const auto& [key, item] : value.items())
            out.emplace(key, decode<typename T::mapped_type>(item, unknown, join(path, key)));
        return out;
    } else if constexpr (DescribedEnum<T>) {
        expect(value.is_string(), "a string");
        const auto found = enum_from<T>(value.get_ref<const std::string&>());
        if (!found) {
            std::vector<std::string> names;
            boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
                [&](auto d) { names.push_back(d.name); });
            raise_field(path, "expected " + enum_choices(names));
        }
        return *found;
    } else {
        static_assert(DescribedStruct<T>, "describe the type with BOOST_DESCRIBE_STRUCT");
        expect(value.is_object(), "an object");
        T out{};
        std::size_t known = 0;
        boost::mp11::mp_for_each<Members<T>>([&](auto d) {
            using Member = std::remove_cvref_t<decltype(out.*d.pointer)>;
            const auto it = value.find(d.name);
            if (it != value.end()) {
                ++known;
                out.*d.pointer = decode<Member>(*it, unknown, join(path, d.name));
            } else if constexpr (!is_optional<Member>::value && !std::is_same_v<Member, Json>) {
                raise_field(join(path, d.name), "is required");
            }
        });
        if (unknown == UnknownKeys::refuse && known != value.size()) {
            for (const auto& [key, item] : value.items()) {
                bool described = false;
                boost::mp11::mp_for_each<Members<T>>([&](auto d) { described = described || key == d.name; });
                if (!described) raise_field(join(path, key), "is not known here");
            }
        }
        return out;
    }
}

// Parses text. Error: invalid/"invalid_json" with line and column in the message.
Result<Json> parse_json(std::string_view text);

}  // namespace toygres
