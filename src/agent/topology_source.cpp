#include "agent/topology_source.hpp"

#include "base/assert.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "kube/watch.hpp"

#include <fmt/format.h>

namespace toygres::agent {
namespace {

constexpr std::chrono::seconds watch_pause{10};
constexpr std::chrono::hours watch_length{24};

}  // namespace

TopologySource::TopologySource(asio::any_io_executor executor, const Options& options, std::function<void()> on_change)
    : executor_(std::move(executor)), options_(options), on_change_(std::move(on_change)) {
    if (options.native) current_ = options.native->topology;
}

void TopologySource::read_file() {
    if (options_.native) return;
    auto text = toygres::read_file(fmt::format("{}/{}", options_.topology_dir, ha::topology_key));
    if (!text || *text == file_text_) return;
    file_text_ = *std::move(text);
    take(file_text_, false);
}

void TopologySource::take(const std::string& text, bool from_api) {
    auto topology = ha::parse_topology(text);
    if (!topology) {
        trouble_ = topology.error().message;
        log::error("topology.unreadable", {{"error", trouble_}});
        return;
    }
    trouble_.clear();
    if (current_ && reign_of(*topology) < reign_of(*current_)) return;
    if (current_ && reign_of(*topology) == reign_of(*current_) && !from_api && api_live_) return;
    auto canonical = ha::format_topology(*topology);
    if (canonical == current_text_) return;
    log::info("topology.changed", {{"epoch", topology->epoch},
                                   {"revision", topology->revision},
                                   {"primary", topology->primary},
                                   {"from", from_api ? "api" : "file"}});
    current_ = *std::move(topology);
    current_text_ = std::move(canonical);
    on_change_();
}

void TopologySource::start_watch() {
    if (!options_.native) asio::co_spawn(executor_, watch(), asio::detached);
}

void TopologySource::replace(ha::Topology topology) {
    TG_ASSERT(options_.native);
    current_ = std::move(topology);
    on_change_();
}

asio::awaitable<void> TopologySource::watch() {
    asio::steady_timer timer(executor_);
    std::string last_trouble;
    for (;;) {
        if (auto access = kube::load_in_cluster(options_.api_dir); access) {
            kube::Client client(executor_, *std::move(access));
            const auto name = options_.instance + "-topology";
            const auto done = co_await kube::watch(
                client, kube::resource("ConfigMap", options_.ns, {}), {.fields = "metadata.name=" + name},
                std::chrono::steady_clock::now() + watch_length, [this](kube::Change change, const Json& object) {
                    // A topology that was deleted still holds: it is not for its absence to change anything.
                    const Json::json_pointer text("/data/topology.json");
                    deleted_ = change == kube::Change::deleted;
                    if (deleted_ || !object.contains(text)) return true;
                    api_live_ = true;
                    if (object[text].is_string()) take(object[text].get<std::string>(), true);
                    return true;
                });
            api_live_ = false;
            if (!done && done.error().message != last_trouble) {
                last_trouble = done.error().message;
                log::warning("topology.watch_failed", {{"error", last_trouble}});
            }
        }
        timer.expires_after(watch_pause);
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::agent
