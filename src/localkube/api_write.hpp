// The handlers that change objects: create, update, patch, delete, and the subresources that do so.
#pragma once
#include "http/message.hpp"
#include "localkube/api_request.hpp"

namespace toygres::localkube {

http::Response create_object(const ApiRequest& request, ApiContext& context);
http::Response update_object(const ApiRequest& request, ApiContext& context);
// By Content-Type: JSON, merge, strategic merge patch, or server-side apply, which also creates.
http::Response patch_object(const ApiRequest& request, ApiContext& context);
http::Response delete_object(const ApiRequest& request, ApiContext& context);
http::Response delete_collection(const ApiRequest& request, ApiContext& context);

http::Response get_scale(const ApiRequest& request, ApiContext& context);
http::Response update_scale(const ApiRequest& request, ApiContext& context);
http::Response patch_scale(const ApiRequest& request, ApiContext& context);
http::Response evict_pod(const ApiRequest& request, ApiContext& context);

// The answer to a request for one object, as a table when the client asks for one. Defined with the reading handlers.
http::Response object_response(const ApiRequest& request, int status, const Object& object);

}  // namespace toygres::localkube
