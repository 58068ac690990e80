// A controller: watches objects, keeps the names of those that need a look, and looks at one after the other.
#pragma once
#include "localkube/node_context.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace toygres::localkube {

class Controller {
  public:
    explicit Controller(std::shared_ptr<NodeContext> node);
    virtual ~Controller() = default;
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    // Looks at every object of its kind once, then at what changes.
    virtual void start() = 0;
    virtual void observe(const WatchEvent& event) = 0;
    // Drops what is waiting; nothing is reconciled afterwards.
    virtual void stop();

  protected:
    // Brings one object's world to what the object says. Level-triggered: it may be called at any time, any number of
    // times, and the object may be gone.
    virtual void reconcile(const ObjectKey& key) = 0;

    // Several requests before the next turn of the io_context are one.
    void enqueue(const ObjectKey& key);
    void enqueue_after(const ObjectKey& key, std::chrono::milliseconds delay);
    void enqueue_all(const std::string& resource);
    ObjectStore& store() const { return node_->store; }

    std::shared_ptr<NodeContext> node_;

  private:
    struct Queue;
    std::shared_ptr<Queue> queue_;
};

}  // namespace toygres::localkube
