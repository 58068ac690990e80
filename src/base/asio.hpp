// The few Asio names that the product uses everywhere.
#pragma once
#include <boost/asio.hpp>

namespace toygres {

namespace asio = boost::asio;

// `co_await socket.async_x(use)` yields std::tuple{error_code, …} in place of throwing.
inline constexpr auto use = asio::as_tuple(asio::use_awaitable);

}  // namespace toygres
