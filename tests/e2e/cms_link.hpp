// A network between one server and the database of the CMS, which can be cut.
#pragma once
#include "base/asio.hpp"

#include <atomic>
#include <string>
#include <thread>

namespace toygres::test {

class CmsLink {
  public:
    // `directory`: of a Stack.
    explicit CmsLink(const std::string& directory);
    ~CmsLink();
    CmsLink(const CmsLink&) = delete;
    CmsLink& operator=(const CmsLink&) = delete;

    std::string database_url() const;
    // Nothing passes and nobody is told: connections stay open, new ones are taken and lead nowhere. What is sent
    // meanwhile arrives when it is mended.
    void cut() { cut_ = true; }
    void mend() { cut_ = false; }

  private:
    asio::awaitable<void> accept();

    asio::io_context io_;
    std::string socket_;
    asio::ip::tcp::acceptor acceptor_;
    std::atomic<bool> cut_ = false;
    std::thread thread_;
};

}  // namespace toygres::test
