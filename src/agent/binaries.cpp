#include "agent/binaries.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <vector>

namespace toygres::agent {
namespace {

namespace fs = std::filesystem;

bool holds_postgres(const std::string& directory) {
    return std::ranges::all_of(std::array{"postgres", "initdb", "psql", "pg_controldata"}, [&](const char* program) {
        return ::access((directory + "/" + program).c_str(), X_OK) == 0;
    });
}

// A directory of PATH may hold nothing but links: the programs stay together where the links lead.
std::string where_postgres_is(const std::string& directory) {
    std::error_code e;
    const auto target = fs::canonical(directory + "/postgres", e);
    return e ? directory : target.parent_path().string();
}

std::vector<std::string> candidates() {
    std::vector<std::string> out;
    const char* const path = std::getenv("PATH");
    const std::string list = path == nullptr ? "" : path;
    for (std::size_t begin = 0; begin <= list.size();) {
        const auto end = std::min(list.find(':', begin), list.size());
        if (end > begin) out.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    std::error_code e;
    int newest = 0;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", e))
        newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
    if (newest > 0) out.push_back("/usr/lib/postgresql/" + std::to_string(newest) + "/bin");
    return out;
}

// "postgres (PostgreSQL) 17.2 (Debian …)" -> "17"; "9.6.1" would be "9.6", which this release does not run.
std::string major_of(const std::string& directory) {
    std::FILE* const pipe = ::popen((directory + "/postgres --version").c_str(), "re");
    if (pipe == nullptr) return {};
    std::array<char, 256> line{};
    const bool read = std::fgets(line.data(), line.size(), pipe) != nullptr;
    ::pclose(pipe);
    if (!read) return {};
    const std::string text = line.data();
    const auto digit = text.find_first_of("0123456789");
    if (digit == std::string::npos) return {};
    return text.substr(digit, text.find_first_not_of("0123456789", digit) - digit);
}

}  // namespace

Result<Binaries> find_binaries() {
    for (const auto& candidate : candidates()) {
        const auto directory = where_postgres_is(candidate);
        if (!holds_postgres(directory)) continue;
        if (auto major = major_of(directory); !major.empty()) return Binaries{directory, std::move(major)};
    }
    return std::unexpected(
        Error{ErrorKind::not_found, "postgres_not_found",
              "no directory of PATH and no /usr/lib/postgresql/*/bin holds postgres, initdb, psql and pg_controldata"});
}

}  // namespace toygres::agent
