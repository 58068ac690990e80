// Reading a container's log: what is there, and what comes.
#pragma once
#include "base/asio.hpp"
#include "localkube/node.hpp"

#include <functional>
#include <string>

namespace toygres::localkube {

// Hands over the lines that the query asks for. With `follow` it goes on until `is_over` says that nothing comes any
// more, or `on_data` returns false. A log that is not there yet is an empty one.
asio::awaitable<void> read_container_log(asio::io_context& io, std::string path, LogQuery query,
                                         std::function<bool()> is_over,
                                         std::function<asio::awaitable<bool>(std::string_view)> on_data);

}  // namespace toygres::localkube
