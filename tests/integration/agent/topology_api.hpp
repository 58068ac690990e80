// An API server that knows one thing: the topology ConfigMap, listed and watched.
#pragma once
#include "base/event.hpp"
#include "base/x509.hpp"
#include "ha/topology.hpp"
#include "http/server.hpp"

#include <memory>
#include <string>
#include <thread>

namespace toygres::test {

class TopologyApi {
  public:
    explicit TopologyApi(const std::string& token);
    ~TopologyApi();
    TopologyApi(const TopologyApi&) = delete;
    TopologyApi& operator=(const TopologyApi&) = delete;

    const std::string& ca_pem() const { return ca_.certificate_pem; }
    unsigned short port() const { return server_->port(); }
    // From any thread.
    void set(const ha::Topology& topology);

  private:
    asio::awaitable<void> answer(http::Exchange& exchange);
    asio::awaitable<void> watch(http::Exchange& exchange, int from);
    Json object() const;

    std::string token_;
    CertificatePair ca_;
    asio::io_context io_;
    Event changed_;
    std::string text_;
    int version_ = 1;
    bool stopping_ = false;
    std::unique_ptr<http::Server> server_;
    std::thread thread_;
};

}  // namespace toygres::test
