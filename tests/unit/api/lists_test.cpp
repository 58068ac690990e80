// Lists: filters, order, pages and fields.
#include "base/crypto.hpp"
#include "world.hpp"

#include <fmt/format.h>

#include <set>

using namespace toygres;
using namespace toygres::test;

namespace {

using Names = std::vector<std::string>;

void make(World& world, const std::string& name, Json more = Json::object()) {
    more["name"] = name;
    REQUIRE(world.call("POST", "/api/v1/instances", more).status == 202);
}

Names names_of(const Json& page) {
    Names out;
    for (const auto& instance : page.at("instances")) out.push_back(instance.at("name").get<std::string>());
    return out;
}

Names found(World& world, const std::string& query) {
    const auto response = world.call("GET", "/api/v1/instances?" + query);
    INFO(query << ": " << response.body);
    REQUIRE(response.status == 200);
    return names_of(json_of(response));
}

// All pages, each of `limit`; `between` happens after each of them.
Names paged(World& world, const std::string& query, int limit, const std::function<void()>& between = [] {}) {
    Names out;
    std::string token;
    do {
        const auto page = json_of(world.call("GET", fmt::format("/api/v1/instances?{}&limit={}{}", query, limit,
                                                                token.empty() ? "" : "&page_token=" + token)));
        for (const auto& name : names_of(page)) out.push_back(name);
        token = page.value("next_page_token", "");
        between();
    } while (!token.empty() && out.size() < 1000);
    return out;
}

}  // namespace

TEST_CASE("list: names are found by a glob, whose other characters are themselves") {
    World world;
    for (const auto* name : {"web-1", "web-22", "api-1", "webx"}) make(world, name);
    CHECK(found(world, "sort=name&name=web-*") == Names{"web-1", "web-22"});
    CHECK(found(world, "sort=name&name=*-%3F") == Names{"api-1", "web-1"});
    CHECK(found(world, "name=web_1").empty());
    CHECK(found(world, "name=%25").empty());
    CHECK(found(world, "name=web-1") == Names{"web-1"});
    CHECK(found(world, "name=%5C").empty());
}

TEST_CASE("list: instances are found by all of the tags that are given") {
    World world;
    make(world, "a", {{"tags", {{"team", "web"}, {"tier", "gold"}}}});
    make(world, "b", {{"tags", {{"team", "web"}}}});
    make(world, "c", {{"tags", {{"team", "a=b,c"}, {"spare", ""}}}});
    CHECK(found(world, "sort=name&tag=team=web") == Names{"a", "b"});
    CHECK(found(world, "tag=team=web&tag=tier=gold") == Names{"a"});
    CHECK(found(world, "sort=name&tag=team") == Names{"a", "b", "c"});
    CHECK(found(world, "tag=team=a=b,c") == Names{"c"});
    CHECK(found(world, "tag=spare=") == Names{"c"});
    CHECK(found(world, "tag=team=web&tag=spare").empty());
    for (const auto* wrong : {"tag=", "tag==web"})
        CHECK(fields_of(world.call("GET", std::string("/api/v1/instances?") + wrong)) == Names{"tag"});
}

TEST_CASE("list: is sorted both ways by each key, equal ones in an order of their own, whatever the pages' size") {
    World world;
    const Names names{"m", "z", "a", "b-2", "b-10", "c"};
    for (std::size_t i = 0; i < names.size(); ++i) make(world, names[i], {{"storage_size_gb", i % 2 == 0 ? 5 : 10}});
    world.sql("UPDATE instances SET created_at = '2026-01-01T00:00:00Z' WHERE user_name IN ('z', 'a', 'c')");
    CHECK(found(world, "sort=name") == Names{"a", "b-10", "b-2", "c", "m", "z"});
    CHECK(found(world, "limit=100") == found(world, "sort=-created_at"));
    for (const std::string key : {"name", "created_at", "storage_size_gb"}) {
        const auto up = found(world, "sort=" + key);
        const auto down = found(world, "sort=-" + key);
        CHECK(up.size() == names.size());
        CHECK(Names(up.rbegin(), up.rend()) == down);
        for (const int limit : {1, 2, 5, 6}) {
            INFO(key << " by " << limit);
            CHECK(paged(world, "sort=" + key, limit) == up);
            CHECK(paged(world, "sort=-" + key, limit) == down);
        }
    }
    const auto wrong = world.call("GET", "/api/v1/instances?sort=health");
    CHECK(wrong.status == 400);
    CHECK(fields_of(wrong) == Names{"sort"});
}

TEST_CASE("list: pages miss and repeat nothing that was there, while instances come and go") {
    World world;
    for (int i = 0; i < 9; ++i) make(world, fmt::format("db{}", i));
    int more = 0;
    const auto seen = paged(world, "sort=name", 2, [&] {
        // One before every place and one after, and the one that the last page ended with is gone.
        make(world, fmt::format("a{}", more));
        make(world, fmt::format("z{}", more++));
        if (more == 1)
            world.sql(
                "SELECT set_instance_state(id, 'deleting', 'test', NULL, NULL, 'x'), "
                "set_instance_state(id, 'deleted', 'test', NULL, NULL, 'x') FROM instances WHERE user_name = 'db1'");
    });
    Names old;
    for (const auto& name : seen)
        if (name.starts_with("db")) old.push_back(name);
    CHECK(old == Names{"db0", "db1", "db2", "db3", "db4", "db5", "db6", "db7", "db8"});
    CHECK(std::ranges::none_of(seen, [](const auto& name) { return name.starts_with('a'); }));
}

TEST_CASE("list: a page's token is refused with other filters, another order or another list, and when it is none") {
    World world;
    for (int i = 0; i < 3; ++i) make(world, fmt::format("db{}", i));
    const auto token = json_of(world.call("GET", "/api/v1/instances?limit=1&sort=name&name=db*"))
                           .at("next_page_token")
                           .get<std::string>();
    const auto with = [&](const std::string& target) {
        return world.call("GET", target + (target.contains('?') ? "&" : "?") + "page_token=" + token);
    };
    CHECK(names_of(json_of(with("/api/v1/instances?sort=name&name=db*"))) == Names{"db1", "db2"});
    CHECK(names_of(json_of(with("/api/v1/instances?name=db*&limit=1&fields=name&sort=name"))) == Names{"db1"});
    for (const auto* other :
         {"/api/v1/instances", "/api/v1/instances?sort=-name&name=db*", "/api/v1/instances?sort=name",
          "/api/v1/instances?sort=name&name=db*&state=creating", "/api/v1/operations", "/api/v1/orchestrations",
          "/api/v1/audit", "/api/v1/tokens", "/api/v1/schedules"}) {
        INFO(other);
        const auto refused = with(other);
        CHECK(refused.status == 400);
        CHECK(fields_of(refused) == Names{"page_token"});
    }
    for (const auto* text : {"", "x", "Zm9v", "AAAA"})
        CHECK(fields_of(world.call("GET", std::string("/api/v1/instances?page_token=") + text)) == Names{"page_token"});
}

TEST_CASE("list: operations come newest first, or oldest first, on all pages") {
    World world;
    for (int i = 0; i < 5; ++i) make(world, fmt::format("db{}", i));
    const auto listed = [&](const std::string& sort) {
        Names out;
        const auto query = "/api/v1/operations?limit=2&fields=instance" + sort;
        for (auto page = json_of(world.call("GET", query));;
             page =
                 json_of(world.call("GET", query + "&page_token=" + page.at("next_page_token").get<std::string>()))) {
            for (const auto& o : page.at("operations")) out.push_back(o.at("instance").get<std::string>());
            if (!page.contains("next_page_token")) return out;
        }
    };
    // Of one millisecond the ids decide.
    const auto oldest = listed("&sort=created_at");
    CHECK(std::set(oldest.begin(), oldest.end()).size() == 5);
    const Names newest(oldest.rbegin(), oldest.rend());
    CHECK(listed("&sort=-created_at") == newest);
    CHECK(listed("") == newest);
    world.sql(
        "UPDATE operations SET created_at = now() - interval '1 hour' WHERE instance_id = (SELECT id FROM "
        "instances WHERE user_name = 'db3')");
    CHECK(listed("&sort=created_at").front() == "db3");
    CHECK(listed("").back() == "db3");
    CHECK(fields_of(world.call("GET", "/api/v1/operations?sort=state")) == Names{"sort"});
}

TEST_CASE("list: a token whose insides were changed is refused, not run into the database") {
    World world;
    for (int i = 0; i < 2; ++i) make(world, fmt::format("db{}", i));
    for (const std::string sort : {"name", "created_at", "storage_size_gb"}) {
        const auto query = "/api/v1/instances?limit=1&sort=" + sort;
        const auto token = json_of(world.call("GET", query)).at("next_page_token").get<std::string>();
        const auto text = base64url_decode(token).value();
        const auto digest = text.substr(0, text.find(' '));
        const auto id = text.substr(text.rfind(' ') + 1);
        for (const auto& place : {std::string("\xff\xfe ") + id, std::string("0000-00-00T00:00:00Z ") + id,
                                  std::string("9999999999999999999_ ") + id, std::string("db0 "), std::string("db0"),
                                  std::string("'; DROP TABLE instances; -- ") + id,
                                  text.substr(digest.size() + 1, text.rfind(' ') - digest.size()) + "not-a-uuid"}) {
            const auto refused = world.call("GET", query + "&page_token=" + base64url_encode(digest + " " + place));
            INFO(sort << ": " << place);
            CHECK(refused.status == 400);
        }
    }
}

TEST_CASE("list: items are cut down to the fields that are asked for") {
    World world;
    make(world, "mydb", {{"tags", {{"team", "web"}}}});
    const auto items =
        json_of(world.call("GET", "/api/v1/instances?fields=name,state,tags,external_ip")).at("instances");
    CHECK(items == Json{{{"name", "mydb"}, {"state", "creating"}, {"tags", {{"team", "web"}}}}});
    CHECK(json_of(world.call("GET", "/api/v1/instances?fields=namespace")).at("instances") ==
          Json{{{"namespace", "toygres"}}});
    CHECK(json_of(world.call("GET", "/api/v1/operations?fields=kind")).at("operations") ==
          Json{{{"kind", "create_instance"}}});
    CHECK(json_of(world.call("GET", "/api/v1/orchestrations?fields=name")).at("orchestrations") ==
          Json{{{"name", "create_instance"}}});
    for (const auto* target : {"instances?fields=name,nothing", "instances?fields=", "operations?fields=request_digest",
                               "orchestrations?fields=input"}) {
        INFO(target);
        CHECK(fields_of(world.call("GET", std::string("/api/v1/") + target)) == Names{"fields"});
    }
}
