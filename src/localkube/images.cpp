#include "localkube/images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unistd.h>

namespace toygres::localkube {
namespace {

constexpr std::string_view system_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Name {
    std::string repository;  // the last part of the path: "postgres"
    std::string tag;
};

Name split(std::string text) {
    if (const auto digest = text.find('@'); digest != std::string::npos) text.erase(digest);
    const auto slash = text.rfind('/');
    const auto last = slash == std::string::npos ? text : text.substr(slash + 1);
    const auto colon = last.find(':');
    return {last.substr(0, colon), colon == std::string::npos ? "latest" : last.substr(colon + 1)};
}

std::unexpected<Error> unavailable(const std::string& name, const std::string& why) {
    return std::unexpected(Error{ErrorKind::not_found, "image_unavailable",
                                 fmt::format("image \"{}\" cannot be had on this machine: {}", name, why)});
}

std::string installed_majors() {
    std::vector<std::string> majors;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error))
        if (std::filesystem::exists(entry.path() / "bin/postgres")) majors.push_back(entry.path().filename().string());
    std::ranges::sort(majors);
    return majors.empty() ? "none" : fmt::format("{}", fmt::join(majors, ", "));
}

}  // namespace

Result<Image> find_image(const std::string& name, const std::string& agent_path) {
    const auto [repository, tag] = split(name);
    Image image{"host://" + repository + ":" + tag, {{"PATH", std::string(system_path)}}, {}, {}};
    if (repository == "postgres") {
        const auto major = tag.substr(0, tag.find_first_not_of("0123456789"));
        const auto binaries = fmt::format("/usr/lib/postgresql/{}/bin", major);
        if (major.empty() || ::access((binaries + "/postgres").c_str(), X_OK) != 0)
            return unavailable(name, fmt::format("{}/postgres is not installed (majors here: {}); install the package "
                                                 "postgresql-{}",
                                                 binaries, installed_majors(), major.empty() ? "<major>" : major));
        image.environment["PATH"] = fmt::format("{}:{}", binaries, system_path);
        image.environment["PG_MAJOR"] = major;
        image.environment["PGDATA"] = "/var/lib/postgresql/data";
        image.environment["LANG"] = "C.UTF-8";
        image.command = {"postgres"};
        image.home = "/var/lib/postgresql";
        return image;
    }
    if (repository == "toygres-agent") {
        if (agent_path.empty() || ::access(agent_path.c_str(), X_OK) != 0)
            return unavailable(name, fmt::format("there is no agent program at \"{}\"", agent_path));
        image.agent_path = agent_path;
        image.command = {"/toygres-agent"};
        return image;
    }
    if (repository.starts_with("busybox")) {
        image.command = {"sh"};
        return image;
    }
    return unavailable(name,
                       fmt::format("the embedded cluster has postgres:<major> (majors here: {}), toygres-agent and "
                                   "busybox only",
                                   installed_majors()));
}

}  // namespace toygres::localkube
