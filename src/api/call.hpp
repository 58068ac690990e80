// One request being answered: what routes read from it. Every reader throws ErrorException with what the caller should
// be told; the edge in api.cpp makes the answer of it.
#pragma once
#include "api/authenticator.hpp"
#include "api/database.hpp"
#include "api/problem.hpp"
#include "api/services.hpp"
#include "cms/instances.hpp"
#include "http/server.hpp"
#include "trace/trace.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::api {

class Call {
  public:
    // `exchange` and `services` outlive it. Errors of the target are kept until check_target().
    Call(http::Exchange& exchange, const ApiServices& services);

    http::Exchange& exchange() { return exchange_; }
    const http::Request& request() const { return exchange_.request(); }
    const ApiServices& services() const { return services_; }
    // The caller's X-Request-Id if it is a sane one, else a new one.
    const std::string& request_id() const { return request_id_; }
    // Of the trace that the caller's traceparent names, else of a new one.
    const trace::Context& trace() const { return trace_; }
    // The span that it came from; empty: none.
    const std::string& caller_span() const { return caller_span_; }
    // With what the orchestration that is started by this call needs to be told from others in logs and traces: its
    // tags, beside those that are given.
    Json correlated(Json tags) const;
    // Of the path, percent-decoded one by one: a name may hold a slash.
    const std::vector<std::string>& segments() const { return segments_; }
    // invalid/"invalid_target": not a path, or bytes in it that no name of ours can have.
    void check_target() const;

    // The value of {name} in the route's pattern.
    const std::string& param(std::string_view name) const;
    void set_params(std::map<std::string, std::string, std::less<>> params) { params_ = std::move(params); }

    // Only of routes that need a token.
    const Caller& caller() const { return *caller_; }
    bool has_caller() const { return caller_.has_value(); }
    std::string caller_name() const { return caller_ ? caller_->name : std::string(); }
    void set_caller(Caller caller) { caller_ = std::move(caller); }
    // What it is about, for the audit: the name or id in its path, or what the route says.
    std::optional<std::string> object() const;
    void set_object(std::string name) { object_ = std::move(name); }
    // That an answer which is none tells of a refusal all the same: of one of its items. The first one counts.
    void note_refusal(Error error, std::string object);
    const std::optional<Error>& refusal() const { return refusal_; }
    cms::Actor actor() const { return {caller().name, request_id_}; }
    // For the limit of its token it is as much as so many calls.
    void counts_as(std::size_t calls) {
        if (calls > 1 && on_more_calls_) on_more_calls_(calls - 1);
    }
    void on_more_calls(std::function<void(std::size_t calls)> told) { on_more_calls_ = std::move(told); }

    // The live instance {name}, of which the caller may change what he likes: on a route of Needs::owner, in the
    // transaction that changes it. Errors: not_found/"instance_not_found", forbidden/"not_owner".
    asio::awaitable<Result<cms::Instance>> own_instance(pg::Connection& db, std::string name) const;

    // Query parameters. A repeated one counts by its first value; one that is not in `known` is
    // invalid/"invalid_request".
    void expect_query(std::initializer_list<std::string_view> known) const;
    std::optional<std::string> query_text(std::string_view name) const { return target_.get(name); }
    // All of that name, in order.
    std::vector<std::string> query_texts(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& query_pairs() const { return target_.query; }
    // "true" or "false"; no value is true.
    bool query_flag(std::string_view name) const;
    std::optional<std::int64_t> query_number(std::string_view name, std::int64_t low, std::int64_t high) const;
    std::optional<Timestamp> query_time(std::string_view name) const;
    // One of a few words.
    std::optional<std::string> query_choice(std::string_view name, const std::vector<std::string>& choices) const;

    // The body as JSON. Errors: invalid/"unsupported_media_type", invalid/"invalid_json".
    Json json_body() const;
    // As T; unknown and missing members are refused by their path.
    template <class T> T body() const { return decode<T>(json_body(), UnknownKeys::refuse); }
    // Error: invalid/"invalid_request".
    std::optional<std::string> idempotency_key() const;

    // A statement of the CMS that may be repeated: the value, or its error thrown.
    template <class F> asio::awaitable<StatementValue<F>> read(F statement) const {
        co_return value_or_raise(co_await query(services_.pool, std::move(statement)));
    }

    // For routes that answer bit by bit; what they return is ignored then.
    asio::awaitable<void> begin_stream(http::Headers headers);
    bool streaming() const { return streaming_; }

  private:
    http::Exchange& exchange_;
    const ApiServices& services_;
    std::string request_id_;
    trace::Context trace_;
    std::string caller_span_;
    http::Target target_;
    std::vector<std::string> segments_;
    bool target_usable_ = false;
    std::map<std::string, std::string, std::less<>> params_;
    std::optional<Caller> caller_;
    std::optional<std::string> object_;
    std::optional<Error> refusal_;
    std::function<void(std::size_t)> on_more_calls_;
    bool streaming_ = false;
};

// 200 with a JSON body.
http::Response json_response(const Json& body, int status = 200);

}  // namespace toygres::api
