// Takes a stream of server-sent events apart as its pieces arrive. No I/O.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace toygres::cli {

struct ServerEvent {
    std::string id;
    std::string type;
    std::string data;
};

class EventReader {
  public:
    explicit EventReader(std::function<void(const ServerEvent&)> on_event) : on_event_(std::move(on_event)) {}
    void feed(std::string_view piece);
    // Of the last event that had one: where to go on from.
    const std::string& last_id() const { return last_id_; }

  private:
    void take_line(std::string_view line);

    std::function<void(const ServerEvent&)> on_event_;
    std::string pending_;
    ServerEvent event_;
    std::string last_id_;
};

}  // namespace toygres::cli
