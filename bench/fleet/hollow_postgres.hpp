// One session of a hollow postgres behind TLS: log-in by SCRAM, then the few questions that the control plane asks, in
// the extended protocol.
#pragma once
#include "base/asio.hpp"
#include "fleet/scram.hpp"

#include <boost/asio/ssl.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::bench {

class HollowPostgres {
  public:
    using Stream = asio::ssl::stream<asio::ip::tcp::socket>;
    // `in_recovery` and `on_check` are called at each look of a monitor.
    HollowPostgres(Stream& stream, const Verifier& verifier, std::function<bool()> in_recovery,
                   std::function<void()> on_check);

    // Until the client goes. Throws boost::system::system_error when the connection breaks, ErrorException for what no
    // client of PostgreSQL says.
    asio::awaitable<void> serve();

  private:
    struct Message {
        char type;
        std::string body;
    };
    asio::awaitable<std::string> read_exactly(std::size_t size);
    asio::awaitable<Message> read_message();
    asio::awaitable<bool> log_in();
    asio::awaitable<void> send();
    void reply(char type, std::string_view body = {});
    void refuse(std::string_view sqlstate, std::string_view message);
    void take(const Message& message);
    void execute(const std::string& sql);

    Stream& stream_;
    const Verifier& verifier_;
    std::function<bool()> in_recovery_;
    std::function<void()> on_check_;
    std::string in_;
    std::string out_;
    std::map<std::string, std::string> statements_;  // by name
    std::string portal_;                             // the unnamed one's SQL
    bool in_transaction_ = false;
    bool failed_ = false;  // what follows is skipped up to the Sync
};

}  // namespace toygres::bench
