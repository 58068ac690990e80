#include "cms/errors.hpp"

#include "pg/error.hpp"

#include <array>
#include <string_view>

namespace toygres::cms {
namespace {

struct Meaning {
    std::string_view key;  // SQLSTATE or constraint
    ErrorKind kind;
    std::string_view code;
    std::string_view message;  // empty: the database's own
};

constexpr std::array meanings{
    Meaning{"TG010", ErrorKind::conflict, "illegal_transition", ""},
    Meaning{"TG011", ErrorKind::not_found, "instance_not_found", ""},
    Meaning{"operations_idempotency", ErrorKind::conflict, "idempotency_key_used",
            "the idempotency key was used before"},
    Meaning{"idempotency_keys_once", ErrorKind::conflict, "idempotency_key_used",
            "the idempotency key was used before"},
    Meaning{"operations_running", ErrorKind::conflict, "operation_in_progress",
            "an operation of this kind is in progress on the instance"},
    Meaning{"api_tokens_name", ErrorKind::conflict, "token_exists", "a token of that name exists"},
};

}  // namespace

Error domain_error(Error error) {
    const auto state = pg::sqlstate_of(error);
    const auto constraint = pg::constraint_of(error);
    for (const auto& meaning : meanings) {
        if (meaning.key != state && meaning.key != constraint) continue;
        error.kind = meaning.kind;
        error.code = meaning.code;
        if (!meaning.message.empty()) error.message = meaning.message;
        break;
    }
    return error;
}

}  // namespace toygres::cms
