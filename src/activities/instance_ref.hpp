// Which instance a step is about, and what it should be: the stored input of activities and orchestrations.
#pragma once
#include "base/json.hpp"

#include <string>

namespace toygres::activities {

struct InstanceRef {
    std::string instance;  // id in the CMS
    std::string k8s_name;
    std::string ns;
};
BOOST_DESCRIBE_STRUCT(InstanceRef, (), (instance, k8s_name, ns))

struct InstanceShape {
    std::string instance;
    std::string name;
    std::string k8s_name;
    std::string ns;
    std::string postgres_version;
    int storage_size_gb;
    bool use_load_balancer;
    int members;
};
BOOST_DESCRIBE_STRUCT(InstanceShape, (),
                      (instance, name, k8s_name, ns, postgres_version, storage_size_gb, use_load_balancer, members))

}  // namespace toygres::activities
