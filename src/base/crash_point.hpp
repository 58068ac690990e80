// Places at which a test can have the process killed: TOYGRES_CRASH_AT="<place>:<n>" sends SIGKILL to itself when the
// place is passed for the n-th time. Without that variable it costs one comparison.
#pragma once
#include <string_view>

namespace toygres {

// Places: "commit.before/<kind>", "commit.sent/<kind>", "commit.after/<kind>" with the kind of the orchestration id
// ("create", "delete", "health"), "effect.apply" and "effect.remove" after each change of the cluster, and
// "rotate.old_kept", "rotate.secret_replaced" and "rotate.role_changed" while a password changes.
void crash_point(std::string_view place);
// Whether any crash was asked for: spares callers the making of names.
bool crash_points_armed();

}  // namespace toygres
