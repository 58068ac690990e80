// The environment, command and arguments of a container.
#pragma once
#include "localkube/object_store.hpp"

#include <map>
#include <string>
#include <vector>

namespace toygres::localkube {

using Environment = std::map<std::string, std::string>;

// "$(NAME)" becomes the variable's value, "$$(NAME)" the text "$(NAME)"; what is not known stays as it is.
std::string expand_variables(const std::string& text, const Environment& environment);

// `base` plus envFrom plus env, in this order. Error: not_found/"config_missing": a Secret, a ConfigMap or a key in it.
Result<Environment> container_environment(const ObjectStore& store, const Object& pod, const Object& container,
                                          Environment base);

// The value of a Secret's key, decoded; nullopt when it has none.
std::optional<std::string> secret_value(const Object& secret, const std::string& key);

// The container's command and args with variables put in; the image's command when the container has none.
std::vector<std::string> container_command(const Object& container, const std::vector<std::string>& image_command,
                                           const Environment& environment);

}  // namespace toygres::localkube
