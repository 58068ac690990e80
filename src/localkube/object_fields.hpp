// Reading members of loosely shaped objects by dotted path, with a default for what is absent or of another type.
#pragma once
#include "localkube/object_store.hpp"

#include <string>
#include <string_view>

namespace toygres::localkube {

// The member at "spec.template.metadata"; a null when there is none. Keys that hold dots cannot be named this way.
const Object& field_at(const Object& object, std::string_view path);

std::string text_at(const Object& object, std::string_view path, std::string_view otherwise = {});
std::int64_t int_at(const Object& object, std::string_view path, std::int64_t otherwise = 0);
bool flag_at(const Object& object, std::string_view path, bool otherwise = false);
// The list at that path; an empty one when there is none.
const Object& list_at(const Object& object, std::string_view path);

inline std::string name_of(const Object& object) { return text_at(object, "metadata.name"); }
inline std::string namespace_of(const Object& object) { return text_at(object, "metadata.namespace"); }
inline std::string uid_of(const Object& object) { return text_at(object, "metadata.uid"); }
inline bool is_terminating(const Object& object) { return !field_at(object, "metadata.deletionTimestamp").is_null(); }

// Now, as Kubernetes writes points in time: whole seconds.
std::string kube_time(Timestamp t = now());

// {"apiVersion", "kind", "name", "uid", "controller": true, "blockOwnerDeletion": true}
Object controller_reference(const Object& owner);
// Is the object's controller the one of that uid?
bool is_controlled_by(const Object& object, const std::string& uid);
// The reference with controller = true; a null when there is none.
const Object& controller_of(const Object& object);

// Asks for the deletion of an object in the way of kubectl: pods with their own grace, everything else at once.
void delete_gently(ObjectStore& store, const Object& object);

// Sets the condition of that type; lastTransitionTime moves only when its status does. `status` is "True" or "False".
void set_condition(Object& conditions, const std::string& type, const std::string& status,
                   const std::string& reason = {}, const std::string& message = {});

}  // namespace toygres::localkube
