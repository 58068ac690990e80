#include "http/byte_stream.hpp"

#include "http/response_text.hpp"
#include "http/write_turns.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

namespace toygres::http {
namespace {

namespace beast = boost::beast;

class TransportStream : public ByteStream {
  public:
    TransportStream(std::shared_ptr<Transport> transport, std::string early)
        : transport_(std::move(transport)), early_(std::move(early)), turns_(transport_->get_executor()) {
        // Whoever waits for a command's output may be silent for long; only the kernel can tell that it is gone.
        ErrorCode ignored;
        transport_->socket().set_option(asio::socket_base::keep_alive(true), ignored);
    }
    ~TransportStream() override { transport_->close(); }

    asio::awaitable<std::string> read() override {
        if (!early_.empty()) co_return std::exchange(early_, {});
        std::string out(piece_bytes, '\0');
        const auto [error, size] = co_await transport_->read_some(asio::buffer(out));
        out.resize(size);
        co_return out;
    }

    asio::awaitable<bool> write(std::string data) override {
        const auto turn = co_await turns_.take();
        if (!broken_) broken_ = (co_await transport_->write(data)).failed();
        co_return !broken_;
    }

    void shutdown_send() override {
        broken_ = true;
        transport_->shutdown_send();
    }

  private:
    static constexpr std::size_t piece_bytes = 32 << 10;
    std::shared_ptr<Transport> transport_;
    std::string early_;
    WriteTurns turns_;
    bool broken_ = false;
};

}  // namespace

bool is_upgrade_to(const Request& request, std::string_view protocol) {
    return beast::http::token_list(request.headers.get("Connection")).exists("upgrade") &&
           beast::iequals(request.headers.get("Upgrade"), protocol);
}

asio::awaitable<std::unique_ptr<ByteStream>> accept_byte_stream(std::shared_ptr<Transport> transport,
                                                                std::string protocol, Headers headers,
                                                                std::string early) {
    auto out = std::make_unique<TransportStream>(std::move(transport), std::move(early));
    headers.set("Upgrade", std::move(protocol));
    const bool sent = co_await out->write(response_head(101, headers, {.length = 0, .close = false, .upgrade = true}));
    if (!sent) co_return nullptr;
    co_return out;
}

}  // namespace toygres::http
