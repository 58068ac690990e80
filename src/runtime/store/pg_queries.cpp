#include "runtime/store/pg_queries.hpp"

#include <fmt/format.h>

namespace toygres::runtime::queries {

OrchestrationRow to_orchestration(const pg::Row& row) {
    std::optional<Parent> parent;
    if (!row.null(6)) parent = Parent{row.get<std::string>(6), row.get<std::int64_t>(7), row.get<std::int64_t>(8)};
    return {.key = row.get<std::int64_t>(0),
            .id = row.get<std::string>(1),
            .name = row.get<std::string>(2),
            .version = row.get<std::optional<int>>(3),
            .execution = row.get<std::int64_t>(4),
            .status = enum_from<Status>(row.text(5)).value_or(Status::stuck),
            .parent = std::move(parent),
            .detached = row.get<bool>(9),
            .input = row.get<Json>(10),
            .output = row.get<Json>(11),
            .error = row.get<Json>(12),
            .custom_status = row.get<Json>(13),
            .tags = row.get<Json>(14),
            .next_event = row.get<std::int64_t>(15),
            .created_at = row.get<Timestamp>(16),
            .updated_at = row.get<Timestamp>(17),
            .finished_at = row.get<std::optional<Timestamp>>(18)};
}

Message to_message(const pg::Row& row) {
    return {.id = row.get<std::int64_t>(0),
            .orchestration = row.get<std::string>(1),
            .kind = enum_from<MessageKind>(row.text(2)).value_or(MessageKind::signal),
            .execution = row.get<std::int64_t>(3),
            .event = row.get<std::int64_t>(4),
            .name = row.get<std::string>(5),
            .payload = row.get<Json>(6),
            .dedup_key = row.get<std::string>(7)};
}

namespace {

std::optional<std::string> request_or_null(const StartRequest& request) {
    return request.request.empty() ? std::nullopt : std::optional(request.request);
}

}  // namespace

pg::Params find_start_params(const StartRequest& request) {
    const auto& parent = request.parent;
    return pg::params(request.id, parent ? std::optional(parent->id) : std::nullopt,
                      parent ? std::optional(parent->execution) : std::nullopt,
                      parent ? std::optional(parent->event) : std::nullopt, request_or_null(request));
}

pg::Params start_params(const StartRequest& request) {
    const auto& parent = request.parent;
    return pg::params(request.id, shard_of(request.id), request.name, pg::json_text(request.input),
                      parent ? std::optional(parent->id) : std::nullopt,
                      parent ? std::optional(parent->execution) : std::nullopt,
                      parent ? std::optional(parent->event) : std::nullopt, request.detached,
                      pg::json_text(request.tags), enum_name(request.on_conflict), request_or_null(request));
}

StartOutcome started(const pg::Rows& made) {
    return {.created = true,
            .by_this_command = true,
            .key = made[0].get<std::int64_t>(0),
            .start_message = made[0].get<std::int64_t>(1),
            .status = Status::pending,
            .repeated = false};
}

Result<StartOutcome> start_outcome(const StartRequest& request, const pg::Rows& made, const pg::Rows& found) {
    const bool repeated = made.empty() && found[0].get<bool>(3);
    if (made.empty() && !repeated && request.on_conflict == OnConflict::fail)
        return std::unexpected(Error{ErrorKind::conflict, "orchestration_exists",
                                     fmt::format("an orchestration {} exists already", request.id)});
    return StartOutcome{.created = !made.empty(),
                        .by_this_command = found[0].get<bool>(2),
                        .key = found[0].get<std::int64_t>(0),
                        .start_message = made.empty() ? 0 : made[0].get<std::int64_t>(1),
                        .status = enum_from<Status>(found[0].text(1)).value_or(Status::stuck),
                        .repeated = repeated};
}

}  // namespace toygres::runtime::queries
