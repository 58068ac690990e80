// The CMS's own PostgreSQL for `toygres up`: the machine's server binaries, a unix socket, no network.
#pragma once
#include "base/error.hpp"

#include <string>
#include <vector>

namespace toygres::app {

class EmbeddedCms {
  public:
    // `directory` is made when it is absent. Root hands it to the user postgres: the server refuses to run as root.
    explicit EmbeddedCms(std::string directory);

    // initdb into place when there is no database yet, then start and wait. Error: not_found/"no_postgres" with what to
    // install, internal/"cms_not_started" with the end of its log.
    Result<void> start();
    Result<void> stop();
    bool running() const;
    std::string conninfo() const;
    // The majors of PostgreSQL whose server is installed, oldest first.
    static std::vector<int> installed_majors();

  private:
    Result<void> run(const std::string& program, const std::string& arguments) const;
    std::string data() const { return directory_ + "/data"; }

    std::string directory_;
    std::string bin_;
};

}  // namespace toygres::app
