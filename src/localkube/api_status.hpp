// Errors of the cluster's API as Kubernetes says them: Status objects with a reason, a code and details.
#pragma once
#include "base/error.hpp"
#include "http/message.hpp"
#include "localkube/object_store.hpp"

#include <string>
#include <vector>

namespace toygres::localkube {

// One thing wrong with an object.
struct Cause {
    std::string reason;   // "FieldValueRequired"
    std::string field;    // "spec.containers[0].image"
    std::string message;  // "Required value"
};

// "pods", "statefulsets.apps"
std::string qualified_resource(const ResourceType& type);

// All of them throw an ErrorException that status_of() turns into the Status.
[[noreturn]] void raise_status(int code, std::string reason, std::string message, Json details = Json::object());
[[noreturn]] void raise_not_found(const ResourceType& type, const std::string& name);
[[noreturn]] void raise_already_exists(const ResourceType& type, const std::string& name);
[[noreturn]] void raise_conflict(const ResourceType& type, const std::string& name, const std::string& why);
[[noreturn]] void raise_forbidden(const ResourceType& type, const std::string& name, const std::string& why);
[[noreturn]] void raise_invalid(const ResourceType& type, const std::string& name, const std::vector<Cause>& causes);
[[noreturn]] void raise_bad_request(std::string message);
[[noreturn]] void raise_no_such_resource();

// The Status of any error; what nobody foresaw is an InternalError.
Json status_of(const Error& error);
// {"status": "Success", "details": …} of a completed deletion.
Json success_status(const ResourceType& type, const Object& object);

// RFC 7234 5.5, as kubectl shows it.
std::string warning_header(const std::vector<std::string>& warnings);

http::Response json_response(int status, const Json& body);
http::Response status_response(const Error& error);

}  // namespace toygres::localkube
