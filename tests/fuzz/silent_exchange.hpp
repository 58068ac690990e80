// A request that nobody waits for the answer of.
#pragma once
#include "http/server.hpp"

namespace toygres::fuzz {

class SilentExchange : public http::Exchange {
  public:
    explicit SilentExchange(http::Request request) : request_(std::move(request)) {}
    const http::Request& request() const override { return request_; }
    asio::awaitable<void> respond(http::Response) override { co_return; }
    asio::awaitable<void> begin_stream(int, http::Headers) override { co_return; }
    asio::awaitable<bool> write(std::string_view) override { co_return false; }
    asio::awaitable<void> closed() override { co_return; }
    asio::awaitable<std::unique_ptr<http::WebSocket>> upgrade(std::string_view) override { co_return nullptr; }
    asio::awaitable<std::unique_ptr<http::ByteStream>> upgrade_to(std::string_view, http::Headers) override {
        co_return nullptr;
    }

  private:
    http::Request request_;
};

}  // namespace toygres::fuzz
