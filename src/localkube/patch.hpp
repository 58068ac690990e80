// The patches that PATCH takes besides server-side apply: JSON (RFC 6902), merge (RFC 7386), strategic merge.
#pragma once
#include "base/error.hpp"
#include "localkube/object_store.hpp"

namespace toygres::localkube {

// Each throws ErrorException: invalid/"invalid_patch" with what does not fit.
Object json_patch(const Object& object, const Json& patch);
Object merge_patch(const Object& object, const Json& patch);
// With the directives $patch, $retainKeys, $setElementOrder/…, $deleteFromPrimitiveList/….
Object strategic_merge_patch(const Object& object, const Json& patch);

}  // namespace toygres::localkube
