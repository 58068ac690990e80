// A secret string: no formatter, no JSON, wiped when it goes. Sealing lets one travel through stored records.
#pragma once
#include "base/error.hpp"

#include <string>
#include <string_view>

namespace toygres {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret(Secret&&) noexcept = default;
    Secret& operator=(const Secret&) = default;
    Secret& operator=(Secret&&) noexcept = default;
    ~Secret();

    // The one way to the clear text; every use is easy to find and to review.
    const std::string& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

  private:
    std::string value_;
};

// Seals secrets with AES-256-GCM under keys from a file, bound to a context (for instance the instance's name), so
// that a seal copied elsewhere does not open.
class Sealer {
  public:
    // `key` is 32 bytes, or several such keys: the first one seals, all of them open. Error: invalid/"bad_seal_key".
    static Result<Sealer> from_key(Secret key);
    // Reads the keys from `path` (base/seal_keys.hpp); makes the file (mode 0600) with one when it is absent.
    // Error: invalid/"bad_seal_key" with the path.
    static Result<Sealer> from_file(const std::string& path);

    // "v1." and base64url of nonce, ciphertext and tag.
    std::string seal(const Secret& secret, std::string_view context) const;
    // Error: invalid/"bad_seal": not made by this key for this context.
    Result<Secret> open(std::string_view sealed, std::string_view context) const;

  private:
    explicit Sealer(Secret key) : key_(std::move(key)) {}
    Secret key_;
};

// A password of `length` characters from [A-Za-z0-9], from the system's random source.
Secret random_password(std::size_t length = 24);

}  // namespace toygres
