#include "localkube/api_reviews.hpp"

#include "localkube/api_status.hpp"
#include "localkube/rbac.hpp"

namespace toygres::localkube {

http::Response self_subject_access_review(const ApiRequest& request, ApiContext& context) {
    auto review = request.body();
    if (!review.is_object()) raise_bad_request("the body is not an object");
    const auto asked = review.value("spec", Json::object()).value("resourceAttributes", Json());
    bool allowed = request.user == "admin";
    if (asked.is_object()) {
        auto resource = asked.value("resource", "");
        if (const auto sub = asked.value("subresource", ""); !sub.empty()) resource += "/" + sub;
        allowed = is_allowed(context.store, {request.user, asked.value("verb", ""), asked.value("group", ""), resource,
                                             asked.value("namespace", ""), asked.value("name", "")});
    }
    review["status"] = {{"allowed", allowed}};
    return json_response(201, review);
}

http::Response self_subject_review(const ApiRequest& request, ApiContext&) {
    Json groups = Json::array({"system:authenticated"});
    groups.push_back(request.user == "admin" ? "system:masters" : "system:serviceaccounts");
    return json_response(201,
                         {{"kind", "SelfSubjectReview"},
                          {"apiVersion", "authentication.k8s.io/v1"},
                          {"metadata", Json::object()},
                          {"status", {{"userInfo", {{"username", request.user}, {"groups", std::move(groups)}}}}}});
}

http::Response create_token(const ApiRequest& request, ApiContext& context) {
    if (!context.store.get(request.key())) raise_not_found(request.type(), request.path.name);
    if (!context.mint_token) raise_status(501, "NotImplemented", "this cluster gives out no tokens");
    constexpr int lifetime_seconds = 3600;
    const auto expiry = format_rfc3339(now() + std::chrono::seconds(lifetime_seconds)).substr(0, 19) + "Z";
    return json_response(
        201, {{"kind", "TokenRequest"},
              {"apiVersion", "authentication.k8s.io/v1"},
              {"metadata", {{"name", request.path.name}, {"namespace", request.path.ns}}},
              {"spec", {{"audiences", Json::array()}, {"expirationSeconds", lifetime_seconds}}},
              {"status",
               {{"token", context.mint_token(request.path.ns, request.path.name)}, {"expirationTimestamp", expiry}}}});
}

}  // namespace toygres::localkube
