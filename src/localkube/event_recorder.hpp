// Events: what happened to an object, for people who look at it with kubectl. A repetition raises the count.
#pragma once
#include "localkube/object_store.hpp"

#include <map>
#include <string>

namespace toygres::localkube {

class EventRecorder {
  public:
    explicit EventRecorder(ObjectStore& store) : store_(store) {}

    // `component` is the reporting part: "kubelet", "statefulset-controller".
    void normal(const Object& about, const std::string& component, const std::string& reason,
                const std::string& message, const std::string& field_path = {});
    void warning(const Object& about, const std::string& component, const std::string& reason,
                 const std::string& message, const std::string& field_path = {});
    // Drops events last seen more than an hour ago, and the oldest beyond a limit.
    void expire();

  private:
    void record(const char* type, const Object& about, const std::string& component, const std::string& reason,
                const std::string& message, const std::string& field_path);

    ObjectStore& store_;
    std::map<std::string, ObjectKey> recent_;  // by what makes two events the same
};

}  // namespace toygres::localkube
