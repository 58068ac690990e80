// Posts alerts as JSON to a URL of the operator's.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "http/client.hpp"

#include <memory>
#include <string>

namespace toygres::app {

class Webhook {
  public:
    // Throws ErrorException: invalid/"invalid_url".
    Webhook(asio::any_io_executor executor, const std::string& url);

    // The alert's id is the header Idempotency-Key. Errors: those of the HTTP client; transient/"webhook_failed" for an
    // answer that is not 2xx.
    asio::awaitable<Result<void>> post(Json alert);

  private:
    std::string target_;
    std::unique_ptr<http::Client> client_;
};

}  // namespace toygres::app
