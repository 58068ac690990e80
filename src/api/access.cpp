#include "api/access.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace toygres::api {
namespace {

constexpr std::array<std::string_view, 3> names{"viewer", "operator", "admin"};

}  // namespace

std::string_view role_name(Role role) { return names.at(static_cast<std::size_t>(role)); }

std::optional<Role> role_from(std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == name) return static_cast<Role>(i);
    return std::nullopt;
}

Role least_role(Needs needs) {
    TG_ASSERT(needs != Needs::nothing);
    if (needs == Needs::viewer) return Role::viewer;
    return needs == Needs::admin ? Role::admin : Role::operator_;
}

bool is_subject(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) || std::string_view("._:-+@").contains(static_cast<char>(c));
    });
}

bool may_change(const Caller& caller, std::string_view owner) {
    return caller.role == Role::admin || (caller.role == Role::operator_ && caller.owner == owner);
}

}  // namespace toygres::api
