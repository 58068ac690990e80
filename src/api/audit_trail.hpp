// Keeps the audit of calls: what is privileged before it does anything, what is refused within limits.
#pragma once
#include "api/call.hpp"
#include "api/denial_limit.hpp"
#include "api/route.hpp"
#include "cms/audit.hpp"

#include <memory>
#include <optional>

namespace toygres::api {

class AuditTrail {
  public:
    explicit AuditTrail(std::shared_ptr<pg::Pool> pool) : pool_(std::move(pool)) {}

    // The entry of a privileged call, before it is made; what cannot be kept must not be done. nullopt: it is none.
    asio::awaitable<Result<std::optional<std::int64_t>>> begin(const Call& call, const Route& route);
    // What came of it. A trail that cannot be kept is told in the log.
    asio::awaitable<void> end(const Call& call, std::int64_t entry, int status, const std::optional<Error>& failure);
    // A call that was refused; other ones are not noted.
    asio::awaitable<void> refused(const Call& call, const Route* route, int status,
                                  const std::optional<Error>& failure);

  private:
    asio::awaitable<void> add(cms::NewAudit entry);
    asio::awaitable<void> tell_left_out();

    std::shared_ptr<pg::Pool> pool_;
    DenialLimit limit_;
};

}  // namespace toygres::api
