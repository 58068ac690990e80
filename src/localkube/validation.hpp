// What an object must be like to be stored, and what of it may not change: the part of Kubernetes' validation that
// protects users from typing errors and controllers from nonsense.
#pragma once
#include "localkube/api_status.hpp"
#include "localkube/object_store.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::localkube {

// Lists all that is wrong with the (defaulted) object; empty when it is fit.
std::vector<Cause> problems_of(const ResourceType& type, const Object& object);
// What an update changes that it must not.
std::vector<Cause> forbidden_changes(const ResourceType& type, const Object& before, const Object& after);

bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);
// "10Gi", "500m", "1e3"
bool is_quantity(const Json& value);

// Adds problems with the names of their fields.
class Problems {
  public:
    void required(std::string field, std::string detail = {});
    void invalid(std::string field, const Json& value, const std::string& detail);
    void unsupported(std::string field, const Json& value, const std::vector<std::string_view>& supported);
    void forbidden(std::string field, const std::string& detail);
    void duplicate(std::string field, const Json& value);
    void not_found(std::string field, const Json& value);
    std::vector<Cause> take() { return std::move(causes_); }

  private:
    std::vector<Cause> causes_;
};

// The parts of problems_of. `claims`: what a StatefulSet's claim templates add to the spec's volumes.
void check_pod_spec(const Json& spec, const std::string& path, const std::set<std::string>& claims, Problems& problems);
void check_labels(const Json& labels, const std::string& path, Problems& problems);

}  // namespace toygres::localkube
