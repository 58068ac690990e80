// A replicated instance whose members' volumes are file systems of their own, small enough to be filled. Needs the
// right to mount.
#pragma once
#include "replicated.hpp"

#include <map>
#include <string>

namespace toygres::test {

// Whether this process may mount; cases that have to are skipped otherwise.
bool may_mount();

class SmallVolumes {
  public:
    // Creates the instance with a primary and a standby, its cluster standing still until the volumes are in place.
    SmallVolumes(Stack& stack, const std::string& name, const Json& more = {{"replication", true}});
    // The mounts go; the processes that use them keep them until their end.
    ~SmallVolumes();
    SmallVolumes(const SmallVolumes&) = delete;
    SmallVolumes& operator=(const SmallVolumes&) = delete;

    const Replicated& db() const { return *db_; }
    // Takes all the room that is left.
    void fill(const std::string& member) const;
    void make_room(const std::string& member) const;

  private:
    std::string ballast(const std::string& member) const { return paths_.at(member) + "/ballast"; }

    std::map<std::string, std::string> paths_;  // by member
    std::unique_ptr<Replicated> db_;
};

}  // namespace toygres::test
