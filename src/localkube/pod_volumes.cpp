#include "localkube/pod_volumes.hpp"

#include "localkube/object_fields.hpp"
#include "localkube/pod_environment.hpp"
#include "localkube/pod_fields.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> missing(std::string message) {
    return std::unexpected(Error{ErrorKind::not_found, "volume_missing", std::move(message)});
}

int group_of(const Object& pod) { return static_cast<int>(int_at(pod, "spec.securityContext.fsGroup", -1)); }

// What a group may be given for real: an ordinary user's cluster maps users in place of switching them.
int real_group(const NodeContext& node, const Object& pod) { return node.as_root ? group_of(pod) : -1; }

// Files of a Secret or a ConfigMap: all of its keys, or the chosen `items` under their own paths.
Result<void> add_keys(const NodeContext& node, const Object& pod, const Object& source, bool secret, mode_t mode,
                      VolumeFiles& out) {
    const auto name = text_at(source, secret ? "secretName" : "name", text_at(source, "name"));
    const auto object = node.store.get({secret ? "secrets" : "configmaps", namespace_of(pod), name});
    const bool optional = flag_at(source, "optional");
    if (!object) {
        if (optional) return {};
        return missing(fmt::format("{} \"{}\" not found", secret ? "secret" : "configmap", name));
    }
    std::map<std::string, std::string> values;
    for (const char* part : {"data", "binaryData"})
        if (const auto& data = field_at(*object, part); data.is_object())
            for (const auto& [key, value] : data.items()) {
                if (!value.is_string()) continue;
                const bool plain = !secret && part == std::string_view("data");
                values[key] = plain ? value.get<std::string>() : secret_value({{"data", data}}, key).value_or("");
            }
    const auto& items = list_at(source, "items");
    if (items.empty())
        for (const auto& [key, value] : values) out[key] = {value, mode};
    for (const auto& item : items) {
        const auto found = values.find(text_at(item, "key"));
        if (found == values.end()) {
            if (optional) continue;
            return missing(
                fmt::format("references non-existent {} key: {}", secret ? "secret" : "config", text_at(item, "key")));
        }
        out[text_at(item, "path")] = {found->second, static_cast<mode_t>(int_at(item, "mode", mode))};
    }
    return {};
}

Result<void> add_fields(const Object& pod, const Object& source, mode_t mode, VolumeFiles& out) {
    for (const auto& item : list_at(source, "items")) {
        std::string value;
        if (const auto& field = field_at(item, "fieldRef"); !field.is_null())
            value = pod_field(pod, text_at(field, "fieldPath")).value_or("");
        else
            value = resource_field(pod, {}, field_at(item, "resourceFieldRef"));
        out[text_at(item, "path")] = {value, static_cast<mode_t>(int_at(item, "mode", mode))};
    }
    return {};
}

Result<void> add_source(const NodeContext& node, const Object& pod, const Object& source, mode_t mode,
                        VolumeFiles& out) {
    if (source.contains("secret")) return add_keys(node, pod, source["secret"], true, mode, out);
    if (source.contains("configMap")) return add_keys(node, pod, source["configMap"], false, mode, out);
    if (source.contains("downwardAPI")) return add_fields(pod, source["downwardAPI"], mode, out);
    if (source.contains("serviceAccountToken")) {
        const auto account = text_at(pod, "spec.serviceAccountName", "default");
        if (!node.store.get({"serviceaccounts", namespace_of(pod), account}))
            return missing(fmt::format("serviceaccount \"{}\" not found", account));
        const auto token = node.options.mint_token ? node.options.mint_token(namespace_of(pod), account) : "";
        out[text_at(source["serviceAccountToken"], "path")] = {token, mode};
        return {};
    }
    return std::unexpected(Error{ErrorKind::invalid, "volume_unsupported", "a projected source of an unknown kind"});
}

// nullopt for a volume that is not made of such files.
Result<std::optional<VolumeFiles>> files_of(const NodeContext& node, const Object& pod, const Object& volume) {
    VolumeFiles files;
    Result<void> added;
    if (volume.contains("projected")) {
        const auto& projected = volume["projected"];
        const auto mode = static_cast<mode_t>(int_at(projected, "defaultMode", 0644));
        for (const auto& source : list_at(projected, "sources"))
            if (added = add_source(node, pod, source, mode, files); !added) return std::unexpected(added.error());
    } else {
        const char* kind = nullptr;
        for (const char* known : {"secret", "configMap", "downwardAPI"})
            if (volume.contains(known)) kind = known;
        if (!kind) return std::nullopt;
        const auto mode = static_cast<mode_t>(int_at(volume[kind], "defaultMode", 0644));
        added = add_source(node, pod, {{kind, volume[kind]}}, mode, files);
        if (!added) return std::unexpected(added.error());
    }
    // The group reads what the owner may read, as the kubelet does it for fsGroup.
    if (group_of(pod) >= 0)
        for (auto& [path, file] : files) file.mode |= 0440;
    return files;
}

void give_to_group(const std::string& path, int group, bool whole_tree) {
    const auto give = [&](const std::string& entry, bool directory) {
        struct stat info{};
        if (::lstat(entry.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) return;
        [[maybe_unused]] const int owned = ::lchown(entry.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(group));
        ::chmod(entry.c_str(), (info.st_mode & 07777) | (directory ? 02770 : 0660));
    };
    std::error_code error;
    if (whole_tree)
        for (const auto& entry : fs::recursive_directory_iterator(path, error))
            give(entry.path(), entry.is_directory(error));
    give(path, true);
}

Result<std::string> claim_directory(NodeContext& node, const Object& pod, const Object& volume) {
    const auto claim = text_at(volume, "persistentVolumeClaim.claimName");
    const auto object = node.store.get({"persistentvolumeclaims", namespace_of(pod), claim});
    if (!object) return missing(fmt::format("persistentvolumeclaim \"{}\" not found", claim));
    if (is_terminating(*object)) return missing(fmt::format("persistentvolumeclaim \"{}\" is being deleted", claim));
    if (text_at(*object, "status.phase") != "Bound")
        return missing(fmt::format("persistentvolumeclaim \"{}\" is not bound yet", claim));
    const auto path = node.volume_directory(namespace_of(pod), claim);
    std::error_code error;
    if (fs::create_directories(path, error)) ::chmod(path.c_str(), 0777);
    if (const int group = real_group(node, pod); group >= 0) {
        struct stat info{};
        // Always as fsGroupChangePolicy OnRootMismatch: this function runs again while the pod's processes write there.
        const bool matches = ::stat(path.c_str(), &info) == 0 && static_cast<int>(info.st_gid) == group;
        if (!matches) give_to_group(path, group, true);
    }
    return path;
}

}  // namespace

Result<std::map<std::string, std::string>> lay_out_volumes(NodeContext& node, const Object& pod) {
    std::map<std::string, std::string> paths;
    const auto root = node.pod_directory(uid_of(pod)) + "/volumes/";
    for (const auto& volume : list_at(pod, "spec.volumes")) {
        const auto name = text_at(volume, "name");
        const auto path = root + name;
        auto files = files_of(node, pod, volume);
        if (!files) return std::unexpected(files.error());
        if (*files) {
            if (auto written = write_atomic_directory(path, **files, real_group(node, pod)); !written)
                return std::unexpected(written.error());
            paths[name] = path;
        } else if (volume.contains("persistentVolumeClaim")) {
            auto claim = claim_directory(node, pod, volume);
            if (!claim) return std::unexpected(claim.error());
            paths[name] = *claim;
        } else if (volume.contains("hostPath")) {
            paths[name] = text_at(volume, "hostPath.path");
        } else if (volume.contains("emptyDir") || volume.size() == 1) {
            std::error_code error;
            if (fs::create_directories(path, error)) {
                ::chmod(path.c_str(), 0777);
                if (const int group = real_group(node, pod); group >= 0) {
                    give_to_group(path, group, false);
                    ::chmod(path.c_str(), 02777);
                }
            }
            paths[name] = path;
        } else {
            return std::unexpected(Error{ErrorKind::invalid, "volume_unsupported",
                                         fmt::format("volume \"{}\" is of a kind that this cluster lacks", name)});
        }
    }
    return paths;
}

}  // namespace toygres::localkube
