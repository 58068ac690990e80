#include "localkube/addresses.hpp"

#include "base/crypto.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace toygres::localkube {
namespace {

constexpr std::uint32_t per_octet = 254 * 254;  // neither .0 nor .255 in the last two

}  // namespace

AddressPool::AddressPool(int first_octet, int last_octet, std::string_view seed)
    : first_(first_octet), last_(last_octet) {
    const auto count = static_cast<std::uint32_t>(last_ - first_ + 1) * per_octet;
    next_ = static_cast<std::uint32_t>(digest64(seed) % (count / 254)) * 254;
}

std::string AddressPool::allocate(const std::function<bool(const std::string&)>& is_taken) {
    const auto count = static_cast<std::uint32_t>(last_ - first_ + 1) * per_octet;
    for (std::uint32_t tried = 0; tried < count; ++tried) {
        const auto n = next_;
        next_ = (next_ + 1) % count;
        auto address = fmt::format("127.{}.{}.{}", static_cast<std::uint32_t>(first_) + n / per_octet,
                                   n % per_octet / 254 + 1, n % 254 + 1);
        if (!is_taken(address)) return address;
    }
    raise(ErrorKind::internal, "addresses_exhausted", "all addresses of this kind are in use");
}

bool AddressPool::holds(const std::string& address) const {
    int octet = 0;
    return std::sscanf(address.c_str(), "127.%d.", &octet) == 1 && octet >= first_ && octet <= last_;
}

}  // namespace toygres::localkube
