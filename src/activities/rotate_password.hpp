// The superuser's password changes in two steps, each of which may be repeated: its Secret first, for the agents follow
// that by themselves, then the role on the primary.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

namespace toygres::activities {

// The sealed values that are there while it goes on.
inline constexpr auto new_password = "new_superuser_password";
inline constexpr auto old_password = "old_superuser_password";

// Seals what the Secret holds, and replaces it by what was sealed with the request. Error: conflict/"rotation_ended"
// when that is gone: the operation was ended by somebody else.
struct RotateSecret {
    static constexpr std::string_view name = "rotate_secret";
    using Input = InstanceRef;
    struct Output {
        bool changed;  // false: an attempt before this one did it
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RotateSecret::Output, (), (changed))

// Until the primary takes the new password. Errors: transient/"password_refused" while it takes neither.
struct RotateRole {
    static constexpr std::string_view name = "rotate_role";
    using Input = InstanceRef;
    struct Output {
        bool changed;  // false: it took the new one already; an agent may have been faster
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RotateRole::Output, (), (changed))

}  // namespace toygres::activities
