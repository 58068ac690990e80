#include "localkube/container_user.hpp"

#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr int nobody = 65534;

}  // namespace

Result<ContainerUser> container_user(const Object& pod, const Object& container) {
    const auto& own = field_at(container, "securityContext");
    const auto& shared = field_at(pod, "spec.securityContext");
    const auto number = [&](const char* field, int otherwise) {
        return static_cast<int>(int_at(own, field, int_at(shared, field, otherwise)));
    };
    ContainerUser user{number("runAsUser", 0), 0, {}, false};
    // Images name their user's group after the user; without one of ours to look into, the number is the same.
    user.gid = number("runAsGroup", user.uid);
    if (user.uid == 0 && flag_at(own, "runAsNonRoot", flag_at(shared, "runAsNonRoot")))
        return std::unexpected(
            Error{ErrorKind::invalid, "runs_as_root",
                  fmt::format("container has runAsNonRoot and image will run as root (container: {})",
                              text_at(container, "name"))});
    if (const auto group = int_at(shared, "fsGroup", -1); group >= 0) user.groups.push_back(static_cast<int>(group));
    for (const auto& group : list_at(shared, "supplementalGroups"))
        if (group.is_number_integer()) user.groups.push_back(group.get<int>());
    for (const auto& capability : list_at(own, "capabilities.drop"))
        user.drop_capabilities = user.drop_capabilities || capability == "ALL" || capability == "all";
    return user;
}

std::string passwd_file(const ContainerUser& user, const std::string& home) {
    std::string out = "root:x:0:0:root:/root:/bin/sh\n";
    if (user.uid != nobody) out += fmt::format("nobody:x:{}:{}:nobody:/:/bin/sh\n", nobody, nobody);
    if (user.uid != 0) out += fmt::format("postgres:x:{}:{}:postgres:{}:/bin/sh\n", user.uid, user.gid, home);
    return out;
}

std::string group_file(const ContainerUser& user) {
    std::string out = "root:x:0:\n";
    if (user.gid != nobody) out += fmt::format("nogroup:x:{}:\n", nobody);
    if (user.gid != 0) out += fmt::format("postgres:x:{}:\n", user.gid);
    for (const int group : user.groups)
        if (group != user.gid && group != 0 && group != nobody) out += fmt::format("group{}:x:{}:\n", group, group);
    return out;
}

}  // namespace toygres::localkube
