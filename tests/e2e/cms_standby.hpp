// A synchronous standby of a stack's CMS, on this machine, that takes over when it is told to.
#pragma once
#include <string>

namespace toygres::test {

class CmsStandby {
  public:
    // `directory`: of a Stack that runs. Back when it streams, and commits of the CMS wait for it.
    explicit CmsStandby(std::string directory);
    ~CmsStandby();
    CmsStandby(const CmsStandby&) = delete;
    CmsStandby& operator=(const CmsStandby&) = delete;

    std::string socket_directory() const { return directory_ + "/cms-standby"; }
    void promote() const;  // back when it accepts writes
    std::string value(const std::string& query) const;

  private:
    void run(const std::string& program, const std::string& arguments) const;

    const std::string directory_;
};

}  // namespace toygres::test
