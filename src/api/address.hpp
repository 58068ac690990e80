// Addresses of callers, as lock-out and audit know them.
#pragma once
#include <string>
#include <string_view>

namespace toygres::api {

// "192.0.2.7" of "192.0.2.7:54321", "2001:db8::1" of "[2001:db8::1]:54321".
std::string address_of(std::string_view peer);

// What is limited as one: an IPv4 address, or the /64 that an IPv6 address is in, since whoever has one has all of it.
std::string network_of(std::string_view address);

}  // namespace toygres::api
