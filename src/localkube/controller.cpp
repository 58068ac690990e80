#include "localkube/controller.hpp"

#include "base/log.hpp"
#include "localkube/object_fields.hpp"

namespace toygres::localkube {

struct Controller::Queue {
    explicit Queue(Controller* c) : controller(c) {}
    Controller* controller;  // lives as long as the node is not stopped
    std::set<ObjectKey> keys;
    bool posted = false;
    std::map<ObjectKey, std::shared_ptr<asio::steady_timer>> timers;
};

Controller::Controller(std::shared_ptr<NodeContext> node)
    : node_(std::move(node)), queue_(std::make_shared<Queue>(this)) {}

void Controller::enqueue(const ObjectKey& key) {
    queue_->keys.insert(key);
    if (std::exchange(queue_->posted, true)) return;
    asio::post(node_->io, [queue = queue_, node = node_] {
        if (node->stopped) return;
        queue->posted = false;
        for (const auto& due : std::exchange(queue->keys, {})) {
            try {
                queue->controller->reconcile(due);
            } catch (const std::exception&) {
                // One object that nobody can make sense of must not stop the others.
                const auto error = current_error();
                log::error(
                    "controller.failed",
                    {{"resource", due.resource}, {"namespace", due.ns}, {"name", due.name}, {"error", error.message}});
            }
        }
    });
}

void Controller::enqueue_after(const ObjectKey& key, std::chrono::milliseconds delay) {
    const auto at = std::chrono::steady_clock::now() + delay;
    auto& timer = queue_->timers[key];
    if (timer && timer->expiry() <= at && timer->expiry() > std::chrono::steady_clock::now()) return;
    timer = std::make_shared<asio::steady_timer>(node_->io, at);
    timer->async_wait([queue = queue_, node = node_, key, timer](boost::system::error_code error) {
        if (error || node->stopped) return;
        if (const auto it = queue->timers.find(key); it != queue->timers.end() && it->second == timer)
            queue->timers.erase(it);
        queue->controller->enqueue(key);
    });
}

void Controller::stop() {
    queue_->keys.clear();
    for (const auto& [key, timer] : queue_->timers) timer->cancel();
    queue_->timers.clear();
}

void Controller::enqueue_all(const std::string& resource) {
    for (const auto& object : store().list(resource)) enqueue({resource, namespace_of(*object), name_of(*object)});
}

}  // namespace toygres::localkube
