#include "activities/tell_people.hpp"

#include "activities/instance_services.hpp"
#include "base/crypto.hpp"
#include "cms/instances.hpp"
#include "metrics/metrics.hpp"

namespace toygres::activities {

asio::awaitable<void> tell_people(runtime::StepContext& ctx, std::string instance, std::string event,
                                  std::string message, Json details) {
    const auto row = value_or_raise(co_await cms::get_instance(ctx.sql(), instance));
    ctx.on_commit([event] {
        metrics::counter("toygres_alerts_total", "Events that people are told of", {{"event", event}}).Increment();
    });
    if (!ctx.service<InstanceServices>().post_alert) co_return;
    const auto id = "alert-" + random_hex(16);
    const Json alert = {
        {"id", id},       {"at", format_rfc3339(now())}, {"instance", row.name}, {"k8s_name", row.k8s_name},
        {"event", event}, {"message", message},          {"details", details}};
    value_or_raise(co_await runtime::Client::start_in(ctx.sql(), {.id = id,
                                                                  .name = std::string(post_alert_orchestration),
                                                                  .input = encode(PostAlert::Input{alert}),
                                                                  .tags = {{"instance", row.name}}}));
    ctx.on_commit([&services = ctx.service<InstanceServices>(), id] { services.announce(id); });
}

asio::awaitable<PostAlert::Output> PostAlert::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    // A server that was started without the webhook cannot help; another one may.
    if (!services.post_alert) raise(ErrorKind::transient, "webhook_failed", "this server has no webhook");
    value_or_raise(co_await services.post_alert(std::move(in.alert)));
    co_return Nothing{};
}

}  // namespace toygres::activities
