// The directory of `toygres up`: where each part keeps its files, and which processes run.
#pragma once
#include "localkube/process.hpp"

#include <optional>
#include <string>

namespace toygres::app {

class StateDir {
  public:
    // Makes it, mode 0700 for the cluster's and the server's parts. Throws ErrorException when that fails.
    explicit StateDir(std::string path);

    const std::string& path() const { return path_; }
    std::string cms() const { return path_ + "/cms"; }
    std::string cluster() const { return path_ + "/cluster"; }
    std::string kubeconfig() const { return cluster() + "/kubeconfig"; }
    std::string seal_key() const { return path_ + "/seal.key"; }
    std::string token() const { return path_ + "/token"; }
    std::string cli_config() const { return path_ + "/cli.json"; }
    std::string log(const std::string& part) const { return path_ + "/" + part + ".log"; }

    // The process that was remembered under this name, if it still runs.
    std::optional<localkube::ProcessId> running(const std::string& part) const;
    void remember(const std::string& part, pid_t pid) const;
    void forget(const std::string& part) const;

  private:
    std::string path_;
};

}  // namespace toygres::app
