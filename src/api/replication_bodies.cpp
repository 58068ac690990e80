#include "api/replication_bodies.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t reason_length_max = 500;
constexpr std::size_t query_length_max = 2'000;
constexpr std::int64_t bytes_max = std::int64_t{1} << 50;

// Collects what is wrong; every reader gives what was there before when there is nothing to read, or nothing good.
class Fields {
  public:
    void duration(const char* name, const std::optional<std::string>& text, milliseconds low, milliseconds high,
                  std::int64_t& into_ms) {
        if (!text) return;
        const auto value = parse_duration(*text);
        if (!value || *value < low || *value > high)
            wrong_.push_back({name, fmt::format("must be a duration from {} to {}, such as 60s", format_duration(low),
                                                format_duration(high))});
        else
            into_ms = value->count();
    }
    template <class E> void choice(const char* name, const std::optional<std::string>& text, E& into, const char* all) {
        if (!text) return;
        if (const auto value = enum_from<E>(*text))
            into = *value;
        else
            wrong_.push_back({name, fmt::format("must be {}", all)});
    }
    void bytes(const char* name, const std::optional<std::int64_t>& value) {
        if (value && (*value < 0 || *value > bytes_max))
            wrong_.push_back({name, fmt::format("must be between 0 and {}", bytes_max)});
    }
    std::string reason(const std::optional<std::string>& text) {
        if (text && text->size() > reason_length_max)
            refuse("reason", fmt::format("must be at most {} bytes", reason_length_max));
        return text.value_or("");
    }
    void refuse(std::string field, std::string message) { wrong_.push_back({std::move(field), std::move(message)}); }
    Result<ha::Request> result(ha::Request request) {
        if (!wrong_.empty()) return std::unexpected(invalid_fields(std::move(wrong_)));
        return request;
    }

  private:
    std::vector<FieldError> wrong_;
};

// A label's value in Kubernetes.
bool is_zone(const std::string& text) {
    const auto sane = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
    };
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, sane) &&
           std::isalnum(static_cast<unsigned char>(text.front())) &&
           std::isalnum(static_cast<unsigned char>(text.back()));
}

// The fields of ha::Policy that the body changes.
Json policy_changes(const PolicyBody& body, Fields& fields) {
    Json out = Json::object();
    const auto duration = [&](const char* name, const std::optional<std::string>& text, milliseconds low,
                              milliseconds high, const char* into) {
        if (!text) return;
        std::int64_t ms = 0;
        fields.duration(name, text, low, high, ms);
        out[into] = ms;
    };
    const auto bytes = [&](const char* name, const std::optional<std::int64_t>& value, const char* into) {
        fields.bytes(name, value);
        if (value) out[into] = *value;
    };
    duration("policy.crash_restart_grace", body.crash_restart_grace, 0s, 1h, "crash_restart_grace_ms");
    duration("policy.silence", body.silence, 1s, 1h, "silence_ms");
    duration("policy.standby_timeout", body.standby_timeout, 500ms, 1h, "standby_timeout_ms");
    duration("policy.cooldown", body.cooldown, 0s, 24h, "cooldown_ms");
    duration("policy.lag_alert", body.lag_alert, 100ms, 24h, "lag_alert_ms");
    bytes("policy.lag_alert_bytes", body.lag_alert_bytes, "lag_alert_bytes");
    bytes("policy.lag_to_arm_bytes", body.lag_to_arm_bytes, "lag_to_arm_bytes");
    bytes("policy.disk_reserve_bytes", body.disk_reserve_bytes, "disk_reserve_bytes");
    if (body.custom_check && body.custom_check->size() > query_length_max)
        fields.refuse("policy.custom_check", fmt::format("must be at most {} bytes", query_length_max));
    if (body.custom_check) out["custom_check"] = *body.custom_check;
    return out;
}

}  // namespace

Result<ha::Request> roles_request(const std::string& kind, RolesBody body) {
    Fields fields;
    ha::Request request{.kind = kind,
                        .target = body.target.value_or(""),
                        .allow_data_loss = body.allow_data_loss.value_or(false),
                        .force = body.force.value_or(false),
                        .dry_run = body.dry_run.value_or(false),
                        .reason = fields.reason(body.reason)};
    fields.duration("timeout", body.timeout, 1s, 1h, request.timeout_ms);
    std::int64_t sync_timeout_ms = 300'000;
    fields.duration("sync_timeout", body.sync_timeout, 1s, 24h, sync_timeout_ms);
    if (body.wait_for_sync.value_or(body.sync_timeout.has_value()))
        request.wait_until = now() + milliseconds(sync_timeout_ms);
    fields.choice("old_primary_action", body.old_primary_action, request.old_primary_action,
                  "convert_to_replica, stop_and_retain or terminate");
    return fields.result(std::move(request));
}

Result<ha::Request> add_request(ReplicaBody body) {
    Fields fields;
    ha::Standby standby;
    fields.choice("mode", body.mode, standby.mode, "sync or async");
    if (body.zone && !is_zone(*body.zone))
        fields.refuse("zone", "must be the value of a node's label topology.kubernetes.io/zone");
    standby.zone = body.zone;
    fields.bytes("max_lag_bytes", body.max_lag_bytes);
    standby.max_lag_bytes = body.max_lag_bytes;
    ha::Request request{.kind = "add", .reason = fields.reason(body.reason), .standby = std::move(standby)};
    return fields.result(std::move(request));
}

Result<ha::Request> settings_request(SettingsBody body) {
    Fields fields;
    ha::Settings settings{.automatic_failover = body.automatic_failover};
    if (body.mode) fields.choice("mode", body.mode, settings.mode.emplace(), "sync or async");
    if (body.durability)
        fields.choice("durability", body.durability, settings.durability.emplace(), "strict or degrade");
    if (body.policy) settings.policy = policy_changes(*body.policy, fields);
    const bool empty = !body.mode && !body.durability && !body.automatic_failover &&
                       (settings.policy.is_null() || settings.policy.empty());
    if (empty) fields.refuse("", "says nothing: give mode, durability, automatic_failover or policy");
    ha::Request request{.kind = "configure", .reason = fields.reason(body.reason), .settings = std::move(settings)};
    return fields.result(std::move(request));
}

}  // namespace toygres::api
