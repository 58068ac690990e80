// Addresses of 127.0.0.0/8 for pods and Services. Two clusters on one machine start at different places, so that they
// seldom meet.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace toygres::localkube {

class AddressPool {
  public:
    // Second octets `first_octet` to `last_octet`; `seed` names the cluster.
    AddressPool(int first_octet, int last_octet, std::string_view seed);
    // The next free one; an address comes up again only after all others.
    std::string allocate(const std::function<bool(const std::string&)>& is_taken);
    bool holds(const std::string& address) const;

  private:
    int first_, last_;
    std::uint32_t next_;
};

}  // namespace toygres::localkube
