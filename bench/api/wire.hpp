// A client's connection with nothing in between: no pool, no retries, so that what is measured is the server's.
#pragma once
#include "base/asio.hpp"

#include <string>
#include <string_view>

namespace toygres::bench {

class Wire {
  public:
    Wire(asio::any_io_executor executor, asio::ip::tcp::endpoint server)
        : socket_(std::move(executor)), server_(std::move(server)) {}

    asio::awaitable<bool> open();
    // false: the connection broke.
    asio::awaitable<bool> send(std::string_view bytes);
    // Sends a request and reads the whole answer. Its status; 0: the connection broke. Only for answers with a length.
    asio::awaitable<int> ask(std::string_view request);
    // Reads an answer's head. Its status; 0: the connection broke.
    asio::awaitable<int> read_head();
    // Until the server closes.
    asio::awaitable<void> drain();
    void close();

  private:
    asio::awaitable<bool> fill();

    asio::ip::tcp::socket socket_;
    asio::ip::tcp::endpoint server_;
    std::string in_;
    std::size_t body_bytes_ = 0;  // of the answer whose head was read last
};

std::string get_request(std::string_view target, std::string_view token);

}  // namespace toygres::bench
