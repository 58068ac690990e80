#include "activities/trouble_note.hpp"

#include "cms/trouble.hpp"

namespace toygres::activities {

asio::awaitable<void> note_trouble(InstanceServices& services, std::string orchestration,
                                   std::optional<ha::Trouble> trouble) {
    auto lease = co_await services.pool->acquire();
    if (!lease) co_return;
    (void)co_await cms::set_trouble(**lease, std::move(orchestration), trouble ? encode(*trouble) : Json());
}

}  // namespace toygres::activities
