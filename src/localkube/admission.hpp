// Brings what clients send into the form that is stored, or refuses it: identity, defaults, validation.
#pragma once
#include "localkube/api_request.hpp"

namespace toygres::localkube {

// A new object for the collection that the request names, complete but for what the store sets. Throws a Status.
Object admit_new(const ApiRequest& request, const ObjectStore& store, Object incoming);

// `wanted` in place of `before`: server-owned parts kept, defaults filled, forbidden changes refused. Of a request to
// the status subresource only the status is taken. Throws a Status.
Object admit_change(const ApiRequest& request, const Object& before, Object wanted);

// As clients of that API version see it.
Object presented(const Object& stored, const ResourceType& type);

}  // namespace toygres::localkube
