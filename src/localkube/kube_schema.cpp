#include "localkube/kube_schema.hpp"

#include <charconv>

namespace toygres::localkube {
namespace {

using Schema = std::map<std::string, KubeMessage, std::less<>>;

void add_field(KubeMessage& message, std::string_view word) {
    const auto first = word.find(':');
    const auto second = word.find(':', first + 1);
    int number = 0;
    std::from_chars(word.data(), word.data() + first, number);
    auto type = word.substr(second + 1);
    KubeField field{std::string(word.substr(first + 1, second - first - 1)),
                    {},
                    type.starts_with('*'),
                    type.starts_with('%'),
                    type.ends_with('?')};
    if (field.repeated || field.map) type.remove_prefix(1);
    if (field.omit_zero) type.remove_suffix(1);
    field.type = type;
    message.by_number.emplace(number, std::move(field));
}

void name_fields(const Schema& schema, const KubeMessage& source, KubeMessage& target) {
    for (const auto& [number, field] : source.by_number) {
        if (field.name != "^") {
            target.by_name.emplace(field.name, &field);
            continue;
        }
        if (const auto inner = schema.find(field.type); inner != schema.end())
            name_fields(schema, inner->second, target);
    }
}

Schema parse_schema(std::string_view text) {
    Schema out;
    KubeMessage* message = nullptr;
    bool at_line_start = true;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '\n' || text[at] == ' ') {
            at_line_start = text[at] == '\n';
            ++at;
            continue;
        }
        const auto end = std::min(text.find_first_of(" \n", at), text.size());
        const auto word = text.substr(at, end - at);
        at = end;
        if (at_line_start)
            message = &out[std::string(word)];
        else
            add_field(*message, word);
    }
    for (auto& [name, found] : out) name_fields(out, found, found);
    return out;
}

}  // namespace

const KubeMessage* find_kube_message(std::string_view name) {
    static const Schema schema = parse_schema(kube_schema_text);
    const auto it = schema.find(name);
    return it == schema.end() ? nullptr : &it->second;
}

}  // namespace toygres::localkube
