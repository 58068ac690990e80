// Environment variables one by one: each read is of one kind of value, and what is wrong with it is noted.
#pragma once
#include "agent/native_settings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace toygres::agent {

class Variables {
  public:
    explicit Variables(const Environment& environment) : environment_(environment) {}

    // Empty when it is not set.
    std::string get(const std::string& name) const;
    // What is wrong leaves the value given.
    unsigned short port(const std::string& name, unsigned short otherwise);
    // An absolute path without a '/' at its end.
    std::string directory(const std::string& name, const std::string& otherwise);
    std::string user(const std::string& name, const std::string& otherwise);
    // From NAME_FILE or NAME; the one line that it has.
    Secret password(const std::string& name, bool required);

    void refuse(std::string variable, std::string what, std::string remedy);
    const std::vector<Problem>& problems() const { return problems_; }

  private:
    const Environment& environment_;
    std::vector<Problem> problems_;
};

// "a, b" -> "a", "b"
std::vector<std::string> split_list(std::string_view text);
// Of these letters application names, cluster_name and slots can be made.
bool is_node_name(std::string_view text);
// One host name or address: nothing that libpq would take for several, or for a directory.
bool is_host(std::string_view text);
// As the kernel lists them for this process.
bool is_mount_point(const std::string& path);

}  // namespace toygres::agent
