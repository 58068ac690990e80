// Where the agent learns the topology: the mounted ConfigMap, and the API's watch, which is faster by up to a minute;
// or, without a control plane, the options, once and for all.
#pragma once
#include "agent/options.hpp"
#include "base/asio.hpp"
#include "ha/topology.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace toygres::agent {

class TopologySource {
  public:
    // `on_change` is called after current() changed.
    TopologySource(asio::any_io_executor executor, const Options& options, std::function<void()> on_change);

    // Reads the mounted file. Call it now and then: kubelet replaces the file without a word.
    void read_file();
    // Watches over the API for as long as the process lives; nothing happens without a token.
    void start_watch();
    // Of a member without a control plane: from now on this one holds.
    void replace(ha::Topology topology);

    // The newest that was seen. A lower reign never replaces a higher one, and a file never replaces what the API said
    // of the same reign. One that cannot be read replaces nothing.
    const std::optional<ha::Topology>& current() const { return current_; }
    // The API said that there is none any more; current() holds all the same.
    bool deleted() const { return deleted_; }
    // Why the last one could not be read; empty when it could.
    const std::string& trouble() const { return trouble_; }

  private:
    asio::awaitable<void> watch();
    void take(const std::string& text, bool from_api);

    asio::any_io_executor executor_;
    const Options& options_;
    std::function<void()> on_change_;
    std::optional<ha::Topology> current_;
    std::string current_text_;
    std::string file_text_;
    std::string trouble_;
    bool api_live_ = false;
    bool deleted_ = false;
};

}  // namespace toygres::agent
