// Who may call what: the roles of tokens, and what a route asks for.
#pragma once
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace toygres::api {

// Each may do what those before it may.
enum class Role { viewer, operator_, admin };

// "viewer", "operator" or "admin".
std::string_view role_name(Role role);
std::optional<Role> role_from(std::string_view name);

enum class Needs {
    nothing,    // not even a token
    viewer,     // any token
    operator_,  // one that may have instances
    owner,      // an operator's whose the instance is, or an administrator's
    admin,
};

// The least role that a route lets in; who owns what is looked at later. Not for Needs::nothing.
Role least_role(Needs needs);

struct Caller {
    std::string name;   // of the token
    std::string owner;  // whom it speaks for
    Role role;
    Secret token;
};

// Names of tokens and of those whom they speak for.
bool is_subject(std::string_view text);
inline constexpr auto subject_rule = "must be 1 to 64 letters, digits or any of . _ : - + @";

// Whether the caller may change what belongs to `owner`.
bool may_change(const Caller& caller, std::string_view owner);

}  // namespace toygres::api
