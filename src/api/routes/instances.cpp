#include "api/accept.hpp"
#include "api/delete_instance.hpp"
#include "api/page.hpp"
#include "api/precondition.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

#include <algorithm>
#include <charconv>

namespace toygres::api {
namespace {

using http::Response;

// 202 with the operation and the instance; 409 while a live instance holds the name.
asio::awaitable<Response> post_instance(Call& call) {
    call.expect_query({});
    const auto json = call.json_body();
    auto wish =
        value_or_raise(check(decode<CreateInstanceBody>(json, UnknownKeys::refuse), call.services().postgres_versions));
    auto attempt = attempt_of(call, request_digest(call, json));
    co_return accepted(value_or_raise(co_await create_instance(call, std::move(wish), std::move(attempt))));
}

struct Order {
    cms::InstanceSort by;
    bool descending;
};

// ?sort=name or -name; newest first by default.
Order order_of(const Call& call) {
    const auto text = call.query_choice(
        "sort", {"name", "-name", "created_at", "-created_at", "storage_size_gb", "-storage_size_gb"});
    std::string_view by = text ? std::string_view(*text) : "-created_at";
    const bool descending = by.starts_with('-');
    if (descending) by.remove_prefix(1);
    return {*enum_from<cms::InstanceSort>(std::string(by)), descending};
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
    }
    return true;
}

bool fits(const std::string& key, cms::InstanceSort sort) {
    if (sort == cms::InstanceSort::created_at) {
        const auto time = parse_rfc3339(key);
        return time && format_rfc3339(*time) == key;
    }
    if (sort == cms::InstanceSort::name) return is_id(key);
    int number = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
    return error == std::errc() && end == key.data() + key.size();
}

std::optional<cms::InstancePlace> place_after(const Call& call, cms::InstanceSort sort) {
    const auto text = cursor(call);
    if (!text) return std::nullopt;
    const auto space = text->find(' ');
    if (space == std::string::npos) refuse_page_token();
    cms::InstancePlace out{text->substr(0, space), text->substr(space + 1)};
    if (!fits(out.key, sort) || !is_uuid(out.id)) refuse_page_token();
    return out;
}

// ?tag=team=web&tag=spare: a value, and any value.
void add_tags(const Call& call, cms::InstanceFilter& filter) {
    for (const auto& text : call.query_texts("tag")) {
        const auto sign = text.find('=');
        if (text.empty() || sign == 0)
            throw ErrorException(invalid_fields({{"tag", "must be NAME=VALUE, or NAME for any value"}}));
        if (sign == std::string::npos)
            filter.tag_names.push_back(text);
        else
            filter.tags[text.substr(0, sign)] = text.substr(sign + 1);
    }
}

std::vector<std::string> shown_members() {
    auto out = member_names<cms::Instance>();
    std::ranges::replace(out, std::string("ns"), std::string("namespace"));
    out.emplace_back("url");
    return out;
}

asio::awaitable<Response> list_instances(Call& call) {
    call.expect_query(
        {"state", "health", "name", "name_prefix", "tag", "include_deleted", "sort", "fields", "limit", "page_token"});
    const int limit = page_size(call);
    const auto [by, descending] = order_of(call);
    const auto fields = chosen_fields(call, shown_members());
    cms::InstanceFilter filter{
        .state = call.query_choice("state", {"creating", "running", "deleting", "deleted", "failed"}),
        .health = call.query_choice("health", {"healthy", "unhealthy", "unknown"}),
        .name_prefix = call.query_text("name_prefix"),
        .name_glob = call.query_text("name"),
        .deleted_too = call.query_flag("include_deleted"),
        .sort = by,
        .descending = descending,
        .after = place_after(call, by),
        .limit = limit + 1};
    add_tags(call, filter);
    const auto found = co_await call.read([&](pg::Connection& db) { return cms::list_instances(db, filter); });
    co_return json_response(page(
        "instances", found, limit,
        [&](const cms::Instance& i) {
            const auto place = cms::place_of(i, filter.sort);
            return page_token(call, place.key + " " + place.id);
        },
        [&](const cms::Instance& i) { return cut_down(view(i), fields); }));
}

// As it is, with its ETag; 304 when the caller has that.
Response shown(const Call& call, const Json& instance) {
    const auto etag = etag_of(instance);
    auto out = is_unchanged(call, etag) ? Response{304, {}, {}} : json_response(instance);
    // May be kept by the caller, who asks whether it is still so.
    out.headers.set("Cache-Control", "private, no-cache");
    out.headers.set("ETag", etag);
    return out;
}

asio::awaitable<Response> get_instance(Call& call) {
    call.expect_query({"include_deleted"});
    const bool deleted_too = call.query_flag("include_deleted");
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name"), deleted_too); });
    const auto replication =
        co_await call.read([&](pg::Connection& db) { return cms::get_replication(db, instance.id); });
    co_return shown(call, full_view(instance, replication));
}

// 202 with the operation; the same one while it runs.
asio::awaitable<Response> delete_one(Call& call) {
    call.expect_query({});
    auto attempt = attempt_of(call, request_digest(call, Json()));
    co_return accepted(value_or_raise(co_await delete_instance(call, call.param("name"), std::move(attempt))));
}

struct InstancePatch {
    std::string owner;
};
BOOST_DESCRIBE_STRUCT(InstancePatch, (), (owner))

asio::awaitable<Result<Json>> read_full_view(pg::Connection& tx, std::string id) {
    auto now = co_await cms::get_instance(tx, id);
    if (!now) co_return std::unexpected(std::move(now).error());
    auto replication = co_await cms::get_replication(tx, std::move(id));
    if (!replication) co_return std::unexpected(std::move(replication).error());
    co_return full_view(*now, *replication);
}

asio::awaitable<Result<Json>> change_owner(pg::Connection& tx, const Call& call, const std::string& owner) {
    auto instance = co_await instance_to_change(tx, call, call.param("name"));
    if (!instance) co_return std::unexpected(std::move(instance).error());
    auto set = co_await cms::set_owner(tx, instance->id, owner, call.actor());
    if (!set) co_return std::unexpected(std::move(set).error());
    co_return co_await read_full_view(tx, instance->id);
}

// As it is after a change, with its ETag.
Response changed(const Json& instance) {
    auto out = json_response(instance);
    out.headers.set("ETag", etag_of(instance));
    return out;
}

// It belongs to somebody else from now on; 200 with the instance, also when it was his already.
asio::awaitable<Response> patch_instance(Call& call) {
    call.expect_query({});
    const auto patch = call.body<InstancePatch>();
    if (!is_subject(patch.owner)) throw ErrorException(invalid_fields({{"owner", subject_rule}}));
    co_return changed(value_or_raise(co_await transact(
        call.services().pool, [&](pg::Connection& tx) { return change_owner(tx, call, patch.owner); })));
}

using Tags = std::map<std::string, std::string>;

// What a merge patch (RFC 7396) makes of tags: a text sets one, null takes it away. Error: invalid/"invalid_request".
Result<Json> merged(const Json& tags, const Json& patch) {
    std::vector<FieldError> wrong;
    auto out = decode<Tags>(tags);
    for (const auto& [key, value] : patch.items()) {
        if (value.is_null())
            out.erase(key);
        else if (value.is_string())
            out[key] = value.get<std::string>();
        else
            wrong.push_back({"tags." + key, "must be a text, or null to take the tag away"});
    }
    check_tags(out, wrong);
    if (!wrong.empty()) return std::unexpected(invalid_fields(std::move(wrong)));
    return encode(out);
}

asio::awaitable<Result<Json>> change_tags(pg::Connection& tx, const Call& call, const Json& patch) {
    auto instance = co_await instance_to_change(tx, call, call.param("name"));
    if (!instance) co_return std::unexpected(std::move(instance).error());
    if (auto locked = co_await cms::lock_instance(tx, instance->id); !locked)
        co_return std::unexpected(std::move(locked).error());
    const auto before = co_await cms::get_instance(tx, instance->id);
    if (!before) co_return std::unexpected(before.error());
    auto tags = merged(before->tags, patch);
    if (!tags) co_return std::unexpected(std::move(tags).error());
    auto set = co_await cms::set_tags(tx, instance->id, *std::move(tags), call.actor());
    if (!set) co_return std::unexpected(std::move(set).error());
    co_return co_await read_full_view(tx, instance->id);
}

// 200 with the instance, also when its tags were so already.
asio::awaitable<Response> patch_tags(Call& call) {
    call.expect_query({});
    const auto patch = call.json_body();
    if (!patch.is_object()) throw ErrorException(invalid_fields({{"tags", "must be an object of tags"}}));
    co_return changed(value_or_raise(
        co_await transact(call.services().pool, [&](pg::Connection& tx) { return change_tags(tx, call, patch); })));
}

constexpr Route routes[] = {
    {"POST", "/api/v1/instances", Needs::operator_, post_instance},
    {"GET", "/api/v1/instances", Needs::viewer, list_instances},
    {"GET", "/api/v1/instances/{name}", Needs::viewer, get_instance},
    {"PATCH", "/api/v1/instances/{name}", Needs::admin, patch_instance, "instance.set_owner"},
    {"PATCH", "/api/v1/instances/{name}/tags", Needs::owner, patch_tags},
    {"DELETE", "/api/v1/instances/{name}", Needs::owner, delete_one, "instance.delete"},
};

}  // namespace

std::span<const Route> instance_routes() { return routes; }

}  // namespace toygres::api
