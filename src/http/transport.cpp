#include "http/transport.hpp"

#include <openssl/ssl.h>

#include <sys/socket.h>

namespace toygres::http {

Transport::Transport(tcp::socket socket, TlsContext tls) : socket_(std::move(socket)), context_(std::move(tls)) {
    if (context_) tls_.emplace(socket_, *context_);
    ErrorCode ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
}

asio::awaitable<ErrorCode> Transport::accept_tls() {
    auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::server, use);
    co_return error;
}

asio::awaitable<ErrorCode> Transport::connect_tls(std::string name, bool verify) {
    ErrorCode not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (not_an_address) SSL_set_tlsext_host_name(tls_->native_handle(), name.c_str());
    if (verify) tls_->set_verify_callback(asio::ssl::host_name_verification(name));
    auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, use);
    co_return error;
}

asio::awaitable<std::pair<ErrorCode, std::size_t>> Transport::read_some(asio::mutable_buffer into) {
    auto [error, size] = co_await async_read_some(into, use);
    co_return std::pair(error, size);
}

asio::awaitable<ErrorCode> Transport::write(std::string_view data) {
    auto [error, size] = co_await asio::async_write(*this, asio::buffer(data.data(), data.size()), use);
    co_return error;
}

void Transport::cancel() {
    ErrorCode ignored;
    socket_.cancel(ignored);
}

void Transport::close() {
    ErrorCode ignored;
    socket_.close(ignored);
}

void Transport::shutdown_send() {
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

bool Transport::stale() {
    if (!socket_.is_open()) return true;
    char byte;
    const auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

}  // namespace toygres::http
