#include "localkube/field_types.hpp"

#include "localkube/api_status.hpp"
#include "localkube/kube_schema.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

struct Shape {
    std::string_view type;
    bool (*fits)(const Json& value);
    const char* words;
};
bool is_text(const Json& value) { return value.is_string(); }
bool is_whole(const Json& value) { return value.is_number_integer(); }
bool is_flag(const Json& value) { return value.is_boolean(); }
bool is_text_or_whole(const Json& value) { return value.is_string() || value.is_number_integer(); }
bool is_text_or_number(const Json& value) { return value.is_string() || value.is_number(); }
bool is_object(const Json& value) { return value.is_object(); }

constexpr Shape scalars[] = {
    {"s", is_text, "a string"},
    {"i", is_whole, "a whole number"},
    {"b", is_flag, "true or false"},
    {"y", is_text, "a string"},
    {"t", is_text, "a time"},
    {"T", is_text, "a time"},
    {"q", is_text_or_number, "a quantity"},
    {"x", is_text_or_whole, "a whole number or a string"},
    {"F", is_object, "an object"},
    {"-", is_object, "an object"},
};

// What stands beside the own fields of whatever has metadata.
bool is_type_meta(std::string_view name, const KubeMessage& message) {
    return (name == "apiVersion" || name == "kind") && message.by_name.contains("metadata");
}

std::string join(const std::string& path, const std::string& name) { return path.empty() ? name : path + "." + name; }

// Walks an object along its schema.
class Walk {
  public:
    explicit Walk(const ResourceType& type) : type_(type) {}

    void check_message(const Json& value, const std::string& message_name, const std::string& path) const {
        const auto* message = find_kube_message(message_name);
        if (!value.is_object()) raise_type(path, "an object");
        if (!message) return;
        for (const auto& [name, child] : value.items()) {
            const auto field = message->by_name.find(name);
            if (child.is_null()) continue;
            if (is_type_meta(name, *message) && !child.is_string()) raise_type(name, "a string");
            if (field == message->by_name.end()) continue;
            check_field(child, *field->second, join(path, name));
        }
    }

    static void drop_unknown(Json& value, const std::string& message_name, const std::string& path,
                             std::vector<std::string>& dropped) {
        const auto* message = find_kube_message(message_name);
        if (!message || !value.is_object()) return;
        for (auto it = value.begin(); it != value.end();) {
            const auto field = message->by_name.find(it.key());
            const auto child_path = join(path, it.key());
            if (field == message->by_name.end() && !is_type_meta(it.key(), *message)) {
                dropped.push_back(child_path);
                it = value.erase(it);
                continue;
            }
            if (field != message->by_name.end()) drop_in_field(*it, *field->second, child_path, dropped);
            ++it;
        }
    }

  private:
    void check_field(const Json& value, const KubeField& field, const std::string& path) const {
        if (field.repeated) {
            if (!value.is_array()) raise_type(path, "a list");
            for (std::size_t i = 0; i < value.size(); ++i)
                check_value(value[i], field.type, fmt::format("{}[{}]", path, i));
        } else if (field.map) {
            if (!value.is_object()) raise_type(path, "an object");
            for (const auto& [key, item] : value.items())
                if (!item.is_null()) check_value(item, field.type, join(path, key));
        } else {
            check_value(value, field.type, path);
        }
    }

    void check_value(const Json& value, const std::string& type, const std::string& path) const {
        for (const auto& shape : scalars) {
            if (shape.type != type) continue;
            if (!shape.fits(value)) raise_type(path, shape.words);
            return;
        }
        check_message(value, type, path);
    }

    static void drop_in_field(Json& value, const KubeField& field, const std::string& path,
                              std::vector<std::string>& dropped) {
        if (!field.repeated) return drop_unknown(value, field.type, path, dropped);
        for (std::size_t i = 0; i < value.size(); ++i)
            drop_unknown(value[i], field.type, fmt::format("{}[{}]", path, i), dropped);
    }

    [[noreturn]] void raise_type(const std::string& path, const char* expected) const {
        raise_bad_request(fmt::format("{0} in version \"{1}\" cannot be handled as a {0}: {2}: expected {3}",
                                      type_.kind, type_.version, path, expected));
    }

    const ResourceType& type_;
};

}  // namespace

void check_field_types(const ResourceType& type, const Object& object) {
    if (!object.is_object()) raise_bad_request("the body is not an object");
    Walk(type).check_message(object, type.kind, "");
}

std::vector<std::string> drop_unknown_fields(const ResourceType& type, Object& object) {
    std::vector<std::string> out;
    Walk::drop_unknown(object, type.kind, "", out);
    return out;
}

}  // namespace toygres::localkube
