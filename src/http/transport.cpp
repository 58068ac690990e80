#include "http/transport.hpp"

#include "base/assert.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <sys/socket.h>

namespace toygres::http {
namespace {

// So many steps in a row may find what they need; then others have their turn.
constexpr unsigned at_once_max = 16;

// OpenSSL's way to a socket, without waiting and without SIGPIPE.
int send_to_socket(BIO* bio, const char* data, int size) {
    auto& socket = *static_cast<tcp::socket*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const auto sent = ::send(socket.native_handle(), data, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int receive_from_socket(BIO* bio, char* into, int size) {
    auto& socket = *static_cast<tcp::socket*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const auto got = ::recv(socket.native_handle(), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return static_cast<int>(got);
}

long control_socket(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        BIO_meth_set_write(made, send_to_socket);
        BIO_meth_set_read(made, receive_from_socket);
        BIO_meth_set_ctrl(made, control_socket);
        return made;
    }();
    return method;
}

// Why a step failed that wants nothing.
ErrorCode failure_of(int kind, int system_error) {
    if (kind == SSL_ERROR_ZERO_RETURN) return asio::error::eof;
    const auto code = ERR_get_error();
    if (kind == SSL_ERROR_SSL && code != 0 && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return {static_cast<int>(code), asio::error::get_ssl_category()};
    if (kind == SSL_ERROR_SYSCALL && system_error != 0) return {system_error, boost::system::system_category()};
    return asio::ssl::error::make_error_code(asio::ssl::error::stream_truncated);
}

}  // namespace

void Transport::Free::operator()(SSL* ssl) const { SSL_free(ssl); }

Transport::Transport(tcp::socket socket, TlsContext tls) : socket_(std::move(socket)), context_(std::move(tls)) {
    ErrorCode ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    if (!context_) return;
    tls_.reset(SSL_new(context_->native_handle()));
    auto* const bio = BIO_new(socket_method());
    TG_ASSERT(tls_ && bio);
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls_.get(), bio, bio);
    SSL_set_mode(tls_.get(),
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

Transport::~Transport() = default;

template <class Step> asio::awaitable<ErrorCode> Transport::complete(Step step) {
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const int done = step();
        const int system_error = errno;
        if (done == 1) {
            if (++at_once_ % at_once_max == 0) co_await asio::post(asio::use_awaitable);
            co_return ErrorCode();
        }
        const int kind = SSL_get_error(tls_.get(), done);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE) co_return failure_of(kind, system_error);
        const auto what = kind == SSL_ERROR_WANT_READ ? tcp::socket::wait_read : tcp::socket::wait_write;
        const auto [error] = co_await socket_.async_wait(what, use);
        if (error) co_return error;
        at_once_ = 0;
    }
}

asio::awaitable<ErrorCode> Transport::accept_tls() {
    SSL_set_accept_state(tls_.get());
    co_return co_await complete([this] { return SSL_do_handshake(tls_.get()); });
}

asio::awaitable<ErrorCode> Transport::connect_tls(std::string name, bool verify) {
    SSL_set_connect_state(tls_.get());
    ErrorCode not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (not_an_address) SSL_set_tlsext_host_name(tls_.get(), name.c_str());
    if (verify) {
        auto* const wanted = SSL_get0_param(tls_.get());
        const int set = not_an_address ? X509_VERIFY_PARAM_set1_host(wanted, name.c_str(), name.size())
                                       : X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str());
        if (set != 1) co_return asio::error::invalid_argument;
    }
    co_return co_await complete([this] { return SSL_do_handshake(tls_.get()); });
}

asio::awaitable<std::pair<ErrorCode, std::size_t>> Transport::read_some(asio::mutable_buffer into) {
    if (!tls_ || into.size() == 0) {
        const auto [error, size] = co_await socket_.async_read_some(into, use);
        co_return std::pair(error, size);
    }
    std::size_t size = 0;
    const auto error = co_await complete([&] { return SSL_read_ex(tls_.get(), into.data(), into.size(), &size); });
    co_return std::pair(error, size);
}

asio::awaitable<Transport::Outcome> Transport::write_some(asio::const_buffer from) {
    if (!tls_ || from.size() == 0) {
        const auto [error, size] = co_await socket_.async_write_some(from, use);
        co_return std::pair(error, size);
    }
    std::size_t size = 0;
    const auto error = co_await complete([&] { return SSL_write_ex(tls_.get(), from.data(), from.size(), &size); });
    co_return std::pair(error, size);
}

asio::awaitable<ErrorCode> Transport::write(std::string_view data) {
    while (!data.empty()) {
        const auto [error, size] = co_await write_some(asio::buffer(data.data(), data.size()));
        if (error) co_return error;
        data.remove_prefix(size);
    }
    co_return ErrorCode();
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
