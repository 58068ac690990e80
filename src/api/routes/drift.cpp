#include "api/route.hpp"
#include "orchestrations/repair_drift.hpp"

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using orchestrations::RepairDrift;

constexpr std::chrono::milliseconds grace_default = 10min;
constexpr std::chrono::milliseconds grace_max = std::chrono::days(365);

struct RepairBody {
    std::optional<bool> dry_run{};
    std::optional<bool> remove_volumes{};
    std::optional<std::string> grace{};
};
BOOST_DESCRIBE_STRUCT(RepairBody, (), (dry_run, remove_volumes, grace))

std::chrono::milliseconds grace_of(const std::optional<std::string>& text) {
    if (!text) return grace_default;
    const auto grace = parse_duration(*text);
    if (!grace || *grace > grace_max)
        throw ErrorException(invalid_fields({{"grace", "must be a duration of at most a year, such as 10m"}}));
    return *grace;
}

// What a repair would do, or is kept from.
asio::awaitable<http::Response> get_drift(Call& call) {
    call.expect_query({"grace", "remove_volumes"});
    const auto grace = grace_of(call.query_text("grace"));
    const bool remove_volumes = call.query_flag("remove_volumes");
    auto findings = co_await call.services().find_drift(grace, remove_volumes);
    co_return json_response({{"time", format_rfc3339(now())},
                             {"grace", format_duration(grace)},
                             {"remove_volumes", remove_volumes},
                             {"findings", std::move(findings)}});
}

Json actions_of(const Json& findings) {
    Json out = Json::array();
    for (const auto& finding : findings)
        if (finding.contains("repair") && finding.at("repair").is_string() &&
            (!finding.contains("kept") || finding.at("kept").is_null()))
            out.push_back(finding);
    return out;
}

// 200 with what would be done, which is the default; 202 with the orchestration that does it. 409 while one does.
asio::awaitable<http::Response> post_repair(Call& call) {
    call.expect_query({});
    const auto body = call.body<RepairBody>();
    const auto grace = grace_of(body.grace);
    const bool remove_volumes = body.remove_volumes.value_or(false);
    if (body.dry_run.value_or(true))
        co_return json_response(
            {{"dry_run", true}, {"actions", actions_of(co_await call.services().find_drift(grace, remove_volumes))}});
    const std::string id(RepairDrift::id);
    const auto outcome = value_or_raise(co_await call.services().client.start(
        {.id = id,
         .name = std::string(RepairDrift::name),
         .input = encode(RepairDrift::Input{call.services().ns, grace.count(), remove_volumes, call.caller().name,
                                            call.request_id()}),
         .on_conflict = runtime::OnConflict::replace_terminal,
         .tags = call.correlated(Json::object()),
         .request = call.request_id()}));
    call.set_object(id);
    if (!outcome.created && !outcome.repeated)
        raise(ErrorKind::conflict, "repair_in_progress",
              "drift is being repaired; toygres orchestrations show " + id + " tells how it gets on");
    auto response = json_response({{"dry_run", false}, {"orchestration", id}}, 202);
    response.headers.set("Location", "/api/v1/orchestrations/" + id);
    co_return response;
}

constexpr Route routes[] = {
    {"GET", "/api/v1/system/drift", Needs::operator_, get_drift},
    {"POST", "/api/v1/system/drift/repair", Needs::admin, post_repair, "system.repair_drift"},
};

}  // namespace

std::span<const Route> drift_routes() { return routes; }

}  // namespace toygres::api
