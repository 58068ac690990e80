// The file of sealing keys: one key of 64 hexadecimal digits a line. The first one seals, all of them open.
#pragma once
#include "base/error.hpp"
#include "base/secret.hpp"

#include <string>
#include <string_view>

namespace toygres {

// The keys as Sealer::from_key takes them. Error: invalid/"bad_seal_key".
Result<Secret> parse_seal_keys(std::string_view text);

// Adding a key takes two steps, for servers that read the file at different times: with the first step all of them
// can open what it seals, with the second one they seal by it. Errors: those of parse_seal_keys.
// The text with a new key at its end, behind the one that seals now; older ones go.
Result<std::string> with_new_key(std::string_view text);
// The text with its last key in front.
Result<std::string> with_last_key_first(std::string_view text);

}  // namespace toygres
