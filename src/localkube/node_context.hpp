// What the parts of the node share.
#pragma once
#include "base/asio.hpp"
#include "localkube/event_recorder.hpp"
#include "localkube/local_node.hpp"
#include "localkube/object_store.hpp"

#include <string>

namespace toygres::localkube {

inline constexpr const char* node_name = "local";

struct NodeContext {
    asio::io_context& io;
    LocalNodeOptions options;
    ObjectStore& store;
    EventRecorder events;
    asio::thread_pool& blocking;  // for what takes long on disk
    bool as_root;
    bool stopped = false;  // what still runs on the io_context after the node's end must leave everything alone

    std::string pod_directory(const std::string& uid) const { return options.state_dir + "/pods/" + uid; }
    std::string volume_directory(const std::string& ns, const std::string& claim) const {
        return options.state_dir + "/volumes/" + ns + "/" + claim;
    }
    std::string log_directory(const std::string& ns, const std::string& pod, const std::string& uid) const {
        return options.state_dir + "/logs/" + ns + "_" + pod + "_" + uid;
    }
};

}  // namespace toygres::localkube
