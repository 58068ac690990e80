// Entity tags of instances, and what If-Match and If-None-Match make of them (RFC 9110, 13.1).
#pragma once
#include "api/call.hpp"
#include "cms/replication.hpp"

#include <string>
#include <string_view>

namespace toygres::api {

// Strong: of all that GET shows of an instance by itself, quotes included.
std::string etag_of(const Json& full_view);

// Whether a list of entity tags, or *, has that one. Error: invalid/"invalid_request" naming the header.
Result<bool> has_tag(std::string_view header_name, std::string_view list, std::string_view etag, bool weak_too);

// Whether the caller has what is shown already: If-None-Match. Throws where that is no list of entity tags.
bool is_unchanged(const Call& call, std::string_view etag);

// As Call::own_instance, in the transaction that changes the instance: with If-Match the instance is locked, and must
// be as the caller has seen it. Further errors: conflict/"precondition_failed", invalid/"invalid_request".
asio::awaitable<Result<cms::Instance>> instance_to_change(pg::Connection& tx, const Call& call, std::string name);

}  // namespace toygres::api
