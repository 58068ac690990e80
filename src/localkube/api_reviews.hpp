// Questions that the API answers without storing anything: who am I, may I, a token for a service account.
#pragma once
#include "http/message.hpp"
#include "localkube/api_request.hpp"

namespace toygres::localkube {

http::Response self_subject_access_review(const ApiRequest& request, ApiContext& context);
http::Response self_subject_review(const ApiRequest& request, ApiContext& context);
// POST …/serviceaccounts/<name>/token; the token lives as long as its account, whatever lifetime is asked for.
http::Response create_token(const ApiRequest& request, ApiContext& context);

}  // namespace toygres::localkube
