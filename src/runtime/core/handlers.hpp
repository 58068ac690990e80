// What an orchestration answers while it runs: questions about its live state, and updates that it may refuse. The code
// registers them as it goes, again in every replay; nothing of that is recorded.
#pragma once
#include "base/json.hpp"

#include <functional>
#include <map>
#include <string>

namespace toygres::runtime {

class Handlers {
  public:
    using Query = std::function<Json(const Json& input)>;
    struct Update {
        std::function<void(const Json& input)> check;  // raises what is wrong with it
        std::function<Json(const Json& input)> apply;
    };

    // Error, raised: internal/"handler_exists".
    void add(const std::string& name, Query query);
    void add(const std::string& name, Update update);
    void remove_query(const std::string& name) { queries_.erase(name); }
    void remove_update(const std::string& name) { updates_.erase(name); }
    bool has_update(const std::string& name) const { return updates_.contains(name); }

    // Errors: not_found/"no_such_query", what the code raises.
    Result<Json> ask(const std::string& name, const Json& input);
    // Errors: not_found/"no_such_update", what the code raises.
    Result<void> check(const std::string& name, const Json& input);
    // Of one that was checked, now or when it was recorded. Errors: what the code raises.
    Result<Json> apply(const std::string& name, const Json& input);

    // A query or a check runs, which may change nothing. Error, raised: internal/"query_acts".
    void must_not_look() const;

  private:
    Result<Json> look(const std::function<Json()>& code);

    std::map<std::string, Query> queries_;
    std::map<std::string, Update> updates_;
    bool looking_ = false;
};

// While one is alive, its orchestration answers. To be declared behind the state that the handler looks at.
class [[nodiscard]] Answering {
  public:
    Answering(Handlers& handlers, std::string name, Handlers::Query query)
        : handlers_(handlers), name_(std::move(name)), remove_(&Handlers::remove_query) {
        handlers_.add(name_, std::move(query));
    }
    Answering(Handlers& handlers, std::string name, Handlers::Update update)
        : handlers_(handlers), name_(std::move(name)), remove_(&Handlers::remove_update) {
        handlers_.add(name_, std::move(update));
    }
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    ~Answering() { (handlers_.*remove_)(name_); }

  private:
    Handlers& handlers_;
    std::string name_;
    void (Handlers::*remove_)(const std::string&);
};

}  // namespace toygres::runtime
