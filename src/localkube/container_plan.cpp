#include "localkube/container_plan.hpp"

#include "localkube/container_user.hpp"
#include "localkube/images.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_environment.hpp"
#include "localkube/quick_file.hpp"
#include "localkube/sandbox.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sys/stat.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

bool is_memory_volume(const Object& pod, const std::string& name) {
    return std::ranges::any_of(list_at(pod, "spec.volumes"), [&](const auto& volume) {
        return text_at(volume, "name") == name && text_at(volume, "emptyDir.medium") == "Memory";
    });
}

// The file of a volume that a mount with a subPath shows; made as a directory when it is not there.
std::string mount_source(const std::string& volume, const std::string& sub_path) {
    if (sub_path.empty()) return volume;
    const auto path = volume + "/" + sub_path;
    std::error_code error;
    if (!fs::exists(path, error)) {
        fs::create_directories(path, error);
        ::chmod(path.c_str(), 0777);
    }
    return fs::canonical(path, error).string();
}

}  // namespace

Result<ContainerPlan> plan_container(const NodeContext& node, const Object& container, const ContainerInput& input,
                                     const std::string& directory, const std::string& log_file) {
    const auto image = find_image(text_at(container, "image"), node.options.agent_path);
    if (!image) return std::unexpected(image.error());
    const auto user = container_user(*input.pod, container);
    if (!user) return std::unexpected(user.error());

    auto base = image->environment;
    base["HOSTNAME"] = text_at(*input.pod, "spec.hostname", name_of(*input.pod));
    base["HOME"] = user->uid == 0 ? "/root" : image->home;
    const auto api = node.options.api_url.substr(std::min(node.options.api_url.size(), std::size_t{8}));
    base["KUBERNETES_SERVICE_HOST"] = api.substr(0, api.rfind(':'));
    base["KUBERNETES_SERVICE_PORT"] = api.substr(api.rfind(':') + 1);
    base["KUBERNETES_SERVICE_PORT_HTTPS"] = base["KUBERNETES_SERVICE_PORT"];
    auto environment = container_environment(node.store, *input.pod, container, std::move(base));
    if (!environment) return std::unexpected(environment.error());

    Sandbox sandbox{.hostname = (*environment)["HOSTNAME"], .as_root = node.as_root};
    sandbox.uid = user->uid;
    sandbox.gid = user->gid;
    sandbox.groups = user->groups;
    sandbox.drop_capabilities = user->drop_capabilities;
    sandbox.working_directory = text_at(container, "workingDir");
    sandbox.hidden = node.options.hidden_paths;
    sandbox.hidden.push_back(node.options.state_dir);
    for (const auto& [file, content] :
         {std::pair("passwd", passwd_file(*user, image->home)), std::pair("group", group_file(*user))}) {
        const auto path = directory + "/" + file;
        if (auto written = replace_file(path, content); !written) return std::unexpected(written.error());
        sandbox.mounts.push_back({path, fmt::format("/etc/{}", file), true});
    }
    const auto pod_directory = node.pod_directory(uid_of(*input.pod));
    sandbox.mounts.push_back({pod_directory + "/hosts", "/etc/hosts", true});
    if (!image->agent_path.empty()) sandbox.mounts.push_back({image->agent_path, "/toygres-agent", true});
    for (const auto& mount : list_at(container, "volumeMounts")) {
        const auto volume = input.volumes.find(text_at(mount, "name"));
        if (volume == input.volumes.end())
            return std::unexpected(Error{ErrorKind::invalid, "volume_unsupported",
                                         fmt::format("there is no volume \"{}\"", text_at(mount, "name"))});
        // Shared memory stays in memory; it serves one container only, and is empty again after its restart.
        if (text_at(mount, "mountPath") == "/dev/shm" && is_memory_volume(*input.pod, volume->first)) {
            sandbox.mounts.push_back({"", "/dev/shm", false});
            continue;
        }
        const auto sub = expand_variables(text_at(mount, "subPathExpr", text_at(mount, "subPath")), *environment);
        sandbox.mounts.push_back(
            {mount_source(volume->second, sub), text_at(mount, "mountPath"), flag_at(mount, "readOnly")});
    }
    const auto command = container_command(container, image->command, *environment);
    return ContainerPlan{
        {sandbox_options(sandbox), sandbox_command(sandbox, command), *std::move(environment), log_file}, image->id};
}

}  // namespace toygres::localkube
