// Sends spans to a collector: OTLP over HTTP, as JSON, in batches. Whatever becomes of the collector, nobody waits for
// it.
#pragma once
#include "base/asio.hpp"
#include "http/client.hpp"
#include "trace/trace.hpp"

#include <deque>
#include <memory>
#include <string>

namespace toygres::app {

struct OtlpOptions {
    std::string endpoint;  // "http://collector:4318"; "/v1/traces" is added unless the path has it
    std::string instance;  // service.instance.id
    std::size_t queue_max = 4096;
    std::size_t batch_max = 512;
    std::chrono::milliseconds interval{1'000};  // a batch that is not full goes after so long
    std::chrono::milliseconds pause_max{30'000};
};

// The body of a request, of spans of one process.
nlohmann::json otlp_request(const std::string& instance, const std::vector<trace::Span>& spans);

class OtlpExporter {
  public:
    // Throws ErrorException: invalid/"invalid_url", invalid/"bad_tls".
    OtlpExporter(asio::any_io_executor executor, OtlpOptions options);

    // When too many wait the oldest goes, and is counted.
    void add(trace::Span span);
    // Sends until the process ends.
    asio::awaitable<void> run();
    // Sends what waits, with one try and at most for so long.
    asio::awaitable<void> flush(std::chrono::milliseconds patience);

  private:
    enum class Sent { taken, refused, failed };
    asio::awaitable<Sent> send(const std::vector<trace::Span>& batch, std::chrono::milliseconds timeout);
    std::vector<trace::Span> take();

    OtlpOptions options_;
    std::string target_;
    std::unique_ptr<http::Client> client_;
    asio::steady_timer timer_;
    std::deque<trace::Span> queue_;
};

}  // namespace toygres::app
