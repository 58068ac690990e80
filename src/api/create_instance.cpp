#include "api/create_instance.hpp"

#include "api/accept.hpp"
#include "base/crypto.hpp"
#include "cms/replication.hpp"
#include "orchestrations/create_instance.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t name_length_max = 37;  // "-", 8 digits and "-members" must still fit a label of 63
constexpr int storage_gb_default = 10;
constexpr int storage_gb_max = 65536;
constexpr auto check_interval_default = 30s;
constexpr std::size_t tags_max = 64;
constexpr int standbys_max = 4;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A DNS-1035 label.
bool is_instance_name(std::string_view name) {
    return !name.empty() && name.size() <= name_length_max && is_lower(name.front()) && name.back() != '-' &&
           std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// One try, with a k8s_name of its own. A name that is taken by chance is unique_violation, and tried anew.
asio::awaitable<Result<std::string>> accept_creation(pg::Connection& tx, const Call& call, const InstanceWish& wish,
                                                     const Attempt& attempt) {
    const auto& services = call.services();
    const auto k8s_name = fmt::format("{}-{}", wish.name, random_hex(8));
    const auto orchestration = "create-" + k8s_name;
    const auto interval_ms = wish.check_interval.count();
    auto instance = co_await cms::reserve_instance(tx,
                                                   {.name = wish.name,
                                                    .k8s_name = k8s_name,
                                                    .ns = services.ns,
                                                    .postgres_version = wish.postgres_version,
                                                    .storage_size_gb = wish.storage_size_gb,
                                                    .use_load_balancer = wish.use_load_balancer,
                                                    .check_interval_ms = interval_ms,
                                                    .tags = wish.tags,
                                                    .create_orchestration_id = orchestration,
                                                    .placement = wish.placement,
                                                    .owner = call.caller().owner},
                                                   call.actor());
    if (!instance) co_return std::unexpected(std::move(instance).error());
    auto sealed =
        co_await cms::put_sealed(tx, *instance, "superuser_password", services.sealer.seal(wish.password, k8s_name));
    if (!sealed) co_return std::unexpected(std::move(sealed).error());
    const auto record = orchestrations::first_record(k8s_name, wish.members, wish.replication_mode, wish.durability);
    auto replicated = co_await cms::insert_replication(tx, *instance, encode(record), encode(ha::Policy{}));
    if (!replicated) co_return std::unexpected(std::move(replicated).error());
    auto recorded = co_await cms::insert_operation(tx, {.id = attempt.operation,
                                                        .kind = "create_instance",
                                                        .instance_id = *instance,
                                                        .orchestration = orchestration,
                                                        .caller = call.caller().name,
                                                        .request_id = call.request_id(),
                                                        .idempotency_key = attempt.idempotency_key,
                                                        .request_digest = attempt.digest});
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    using orchestrations::CreateInstance;
    auto started = co_await runtime::Client::start_in(
        tx, {.id = orchestration,
             .name = std::string(CreateInstance::name),
             .input = encode(CreateInstance::Input{.instance = *instance,
                                                   .operation = attempt.operation,
                                                   .name = wish.name,
                                                   .k8s_name = k8s_name,
                                                   .ns = services.ns,
                                                   .postgres_version = wish.postgres_version,
                                                   .storage_size_gb = wish.storage_size_gb,
                                                   .use_load_balancer = wish.use_load_balancer,
                                                   .check_interval_ms = interval_ms,
                                                   .members = wish.members,
                                                   .replication_mode = wish.replication_mode}),
             .tags = call.correlated({{"instance", wish.name}, {"operation", attempt.operation}})});
    if (!started) co_return std::unexpected(std::move(started).error());
    co_return attempt.operation;
}

}  // namespace

void check_tags(const std::map<std::string, std::string>& tags, std::vector<FieldError>& wrong) {
    if (tags.size() > tags_max) wrong.push_back({"tags", fmt::format("must be at most {} tags", tags_max)});
    for (const auto& [key, value] : tags) {
        if (key.empty() || key.size() > 63 || has_control(key))
            wrong.push_back({"tags", "must have keys of 1 to 63 bytes without control characters"});
        else if (value.size() > 255 || has_control(value))
            wrong.push_back({"tags." + key, "must be at most 255 bytes without control characters"});
    }
}

Result<InstanceWish> check(CreateInstanceBody body, const std::vector<std::string>& versions) {
    std::vector<FieldError> wrong;
    if (!is_instance_name(body.name))
        wrong.push_back({"name", fmt::format("must be 1 to {} lower case letters, digits or '-', start with a letter "
                                             "and not end with '-'",
                                             name_length_max)});
    const auto version = body.postgres_version.value_or(versions.empty() ? "" : versions.back());
    if (std::ranges::find(versions, version) == versions.end())
        wrong.push_back({"postgres_version", fmt::format("must be one of {}", fmt::join(versions, ", "))});
    const auto storage_gb = body.storage_size_gb.value_or(storage_gb_default);
    if (storage_gb < 1 || storage_gb > storage_gb_max)
        wrong.push_back({"storage_size_gb", fmt::format("must be between 1 and {}", storage_gb_max)});
    if (body.password && (body.password->size() < 8 || body.password->size() > 128 || !is_printable(*body.password)))
        wrong.push_back({"password", "must be 8 to 128 printable ASCII characters"});
    auto interval = std::optional<std::chrono::milliseconds>(check_interval_default);
    if (body.check_interval) interval = parse_duration(*body.check_interval);
    if (!interval || *interval < 1s || *interval > 1h)
        wrong.push_back({"check_interval", "must be a duration from 1s to 1h, such as 30s or 5m"});
    if (body.tags) check_tags(*body.tags, wrong);
    const auto standbys = body.standbys.value_or(body.replication.value_or(true) ? 1 : 0);
    if (standbys < 0 || standbys > standbys_max)
        wrong.push_back({"standbys", fmt::format("must be between 0 and {}", standbys_max)});
    else if (body.replication && *body.replication != (standbys > 0))
        wrong.push_back({"replication", fmt::format("contradicts {} standbys", standbys)});
    const auto mode = enum_from<ha::Mode>(body.replication_mode.value_or("sync"));
    if (!mode) wrong.push_back({"replication_mode", "must be sync or async"});
    const auto durability = enum_from<ha::Durability>(body.durability.value_or("degrade"));
    if (!durability) wrong.push_back({"durability", "must be strict or degrade"});
    const auto placement = body.placement.value_or(kube::Placement{});
    for (auto& [field, message] : kube::problems_of(placement, !body.internal.value_or(false)))
        wrong.push_back({"placement." + field, std::move(message)});
    if (!wrong.empty()) return std::unexpected(invalid_fields(std::move(wrong)));
    return InstanceWish{.name = std::move(body.name),
                        .postgres_version = version,
                        .storage_size_gb = static_cast<int>(storage_gb),
                        .password = body.password ? Secret(*std::move(body.password)) : random_password(),
                        .check_interval = *interval,
                        .use_load_balancer = !body.internal.value_or(false),
                        .tags = body.tags ? encode(*body.tags) : Json::object(),
                        .members = static_cast<int>(standbys) + 1,
                        .replication_mode = *mode,
                        .durability = *durability,
                        .placement = encode(placement)};
}

asio::awaitable<Result<Accepted>> create_instance(const Call& call, InstanceWish wish, Attempt attempt) {
    co_return co_await accept(call, attempt,
                              [&](pg::Connection& tx) { return accept_creation(tx, call, wish, attempt); });
}

}  // namespace toygres::api
