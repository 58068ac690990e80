#include "fleet/hollow_members.hpp"

#include "base/json.hpp"
#include "fleet/hollow_postgres.hpp"

#include <fmt/format.h>

#include <array>

namespace toygres::bench {
namespace {

constexpr unsigned short postgres_port = 5432;
constexpr unsigned short agent_port = 8443;
constexpr std::uint32_t ssl_request = 80'877'103;
constexpr std::size_t head_bytes_max = 16 << 10;
constexpr std::chrono::seconds sign_of_life_interval{1};

// Counts what is open.
class Open {
  public:
    explicit Open(std::atomic<std::int64_t>& count) : count_(count) { ++count_; }
    ~Open() { --count_; }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

  private:
    std::atomic<std::int64_t>& count_;
};

asio::ip::tcp::acceptor listener(asio::io_context& io, unsigned short port) {
    return {io, {asio::ip::address_v4::any(), port}};
}

const HollowNode::Place* place_of(const HollowNode& node, const asio::ip::tcp::socket& socket) {
    boost::system::error_code error;
    const auto local = socket.local_endpoint(error);
    return error ? nullptr : node.at(local.address().to_v4().to_uint());
}

void show(asio::ssl::stream<asio::ip::tcp::socket>& stream, const Identity& identity) {
    SSL_use_certificate(stream.native_handle(), identity.certificate.get());
    SSL_use_PrivateKey(stream.native_handle(), identity.key.get());
}

void note_check(Sight& sight, std::size_t number) {
    const auto at = steady_ns();
    const auto before = sight.instance[number].checked_at_ns.exchange(at);
    ++sight.checks;
    if (before == 0) return;
    const auto late = (at - before) / 1'000'000 - sight.interval_ms;
    ++sight.late_ms[static_cast<std::size_t>(std::clamp<std::int64_t>(late, 0, late_max_ms))];
}

}  // namespace

HollowMembers::HollowMembers(asio::io_context& io, const HollowNode& node, HollowInstances& instances, Sight& sight)
    : io_(io),
      node_(node),
      instances_(instances),
      sight_(sight),
      tls_(asio::ssl::context::tls_server),
      postgres_(listener(io, postgres_port)),
      agents_(listener(io, agent_port)) {
    // As the agent and postgres have it: each handshake is a whole one.
    SSL_CTX_set_session_cache_mode(tls_.native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(tls_.native_handle(), 0);
    SSL_CTX_set_mode(tls_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
}

void HollowMembers::start() {
    asio::co_spawn(io_, accept(postgres_, false), asio::detached);
    asio::co_spawn(io_, accept(agents_, true), asio::detached);
}

asio::awaitable<void> HollowMembers::accept(Tcp::acceptor& acceptor, bool agents) {
    for (;;) {
        auto [error, socket] = co_await acceptor.async_accept(use);
        if (error) continue;
        // A client that goes away, at whatever point, is nobody's concern here.
        asio::co_spawn(io_, agents ? serve_agent(std::move(socket)) : serve_postgres(std::move(socket)),
                       [](std::exception_ptr) {});
    }
}

asio::awaitable<void> HollowMembers::serve_postgres(Tcp::socket socket) {
    const auto* place = place_of(node_, socket);
    if (place == nullptr) co_return;
    socket.set_option(Tcp::no_delay(true));
    std::array<unsigned char, 8> start{};
    co_await asio::async_read(socket, asio::buffer(start), asio::use_awaitable);
    const auto code = std::uint32_t{start[4]} << 24 | start[5] << 16 | start[6] << 8 | start[7];
    if (code != ssl_request) co_return;
    co_await asio::async_write(socket, asio::buffer("S", 1), asio::use_awaitable);
    auto& instance = instances_.get(*place);
    const auto member = place->member.empty() ? instances_.primary_of(instance) : place->member;
    if (member.empty()) co_return;
    const Open open(sight_.postgres_open);
    ++sight_.postgres_sessions;
    Stream stream(std::move(socket), tls_);
    show(stream, instance.identity);
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
    HollowPostgres session(
        stream, instances_.verifier(instance),
        [&] { return ha::role_of(instance.topology, member) != ha::Role::primary; },
        [&] { note_check(sight_, instance.number); });
    co_await session.serve();
}

// As an agent does that nothing happens to.
asio::awaitable<void> HollowMembers::tell(Stream& stream, const HollowNode::Place& place) {
    std::string out = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    asio::steady_timer timer(io_);
    for (std::string told;;) {
        auto status = encode(instances_.status_of(instances_.get(place), place.member)).dump();
        const auto line = status == told ? "\n" : status + "\n";
        told = std::move(status);
        out += fmt::format("{:x}\r\n{}\r\n", line.size(), line);
        co_await asio::async_write(stream, asio::buffer(out), asio::use_awaitable);
        out.clear();
        ++sight_.words;
        timer.expires_after(sign_of_life_interval);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> HollowMembers::serve_agent(Tcp::socket socket) {
    const auto* place = place_of(node_, socket);
    if (place == nullptr || place->member.empty()) co_return;
    socket.set_option(Tcp::no_delay(true));
    const Open open(sight_.agent_open);
    ++sight_.agent_sessions;
    Stream stream(std::move(socket), tls_);
    show(stream, instances_.get(*place).identity);
    // The client has to prove that it has a certificate; whose is not looked at.
    stream.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    stream.set_verify_callback([](bool, asio::ssl::verify_context&) { return true; });
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
    for (std::string request;;) {
        const auto size = co_await asio::async_read_until(stream, asio::dynamic_buffer(request, head_bytes_max),
                                                          "\r\n\r\n", asio::use_awaitable);
        const bool watches = request.starts_with("GET /status?watch ");
        request.erase(0, size);
        if (watches) co_return co_await tell(stream, *place);
        auto& instance = instances_.get(*place);
        ++sight_.asks;
        if (place->member == instance.topology.primary) sight_.instance[instance.number].asked_at_ns = steady_ns();
        const auto body = encode(instances_.status_of(instance, place->member)).dump() + "\n";
        const auto answer = fmt::format(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
        co_await asio::async_write(stream, asio::buffer(answer), asio::use_awaitable);
    }
}

}  // namespace toygres::bench
