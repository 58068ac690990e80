// What of an object merges how: which lists are keyed by what, which lists are sets, which values are taken as a whole.
// The knowledge behind strategic merge patches and server-side apply, as Kubernetes' own types declare it.
#pragma once
#include "base/json.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::localkube {

enum class Merging { atomic, granular, keyed, set };

struct FieldRule {
    Merging merging;
    std::span<const std::string_view> keys{};  // of `keyed`; the first is the strategic merge key
};

// `path` is field names joined by '/', list items leaving no trace: "spec/template/spec/containers/ports".
FieldRule field_rule(std::string_view path, const Json& value);

std::string join_path(std::string_view path, std::string_view field);

// The values of an item's keys: {"containerPort": 80, "protocol": "TCP"}; null when the first is missing.
Json item_key(const Json& item, std::span<const std::string_view> keys);

}  // namespace toygres::localkube
