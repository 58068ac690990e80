// What the schema's own SQLSTATEs and constraint names mean to callers.
#pragma once
#include "base/error.hpp"

namespace toygres::cms {

// TG010 -> conflict/"illegal_transition", TG011 -> not_found/"instance_not_found", operations_idempotency and
// idempotency_keys_once -> conflict/"idempotency_key_used", operations_running -> conflict/"operation_in_progress",
// api_tokens_name -> conflict/"token_exists". Anything else stays as it is.
Error domain_error(Error error);

}  // namespace toygres::cms
