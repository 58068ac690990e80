#include "api/wire.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace toygres::bench {

asio::awaitable<bool> Wire::open() {
    const auto [error] = co_await socket_.async_connect(server_, use);
    co_return !error;
}

asio::awaitable<bool> Wire::send(std::string_view bytes) {
    const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), use);
    co_return !error;
}

asio::awaitable<bool> Wire::fill() {
    char piece[16 << 10];
    const auto [error, size] = co_await socket_.async_read_some(asio::buffer(piece), use);
    in_.append(piece, size);
    co_return !error;
}

asio::awaitable<int> Wire::read_head() {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
        if (!co_await fill()) co_return 0;
    const auto head = in_.substr(0, end);
    const auto length = head.find("Content-Length: ");
    body_bytes_ = length == std::string::npos ? 0 : std::strtoull(head.c_str() + length + 16, nullptr, 10);
    in_.erase(0, end + 4);
    const auto space = head.find(' ');
    co_return space == std::string::npos ? 0 : std::atoi(head.c_str() + space);
}

asio::awaitable<int> Wire::ask(std::string_view request) {
    if (!co_await send(request)) co_return 0;
    const int status = co_await read_head();
    if (status == 0) co_return 0;
    while (in_.size() < body_bytes_)
        if (!co_await fill()) co_return 0;
    in_.erase(0, body_bytes_);
    co_return status;
}

asio::awaitable<void> Wire::drain() {
    while (co_await fill()) in_.clear();
}

void Wire::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

std::string get_request(std::string_view target, std::string_view token) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: toygres\r\nAuthorization: Bearer {}\r\n\r\n", target, token);
}

}  // namespace toygres::bench
