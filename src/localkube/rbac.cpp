#include "localkube/rbac.hpp"

#include <algorithm>

namespace toygres::localkube {
namespace {

constexpr std::string_view service_account_prefix = "system:serviceaccount:";

bool list_has(const Object& rule, const char* field, const std::string& value) {
    const auto it = rule.find(field);
    if (it == rule.end() || !it->is_array()) return false;
    return std::ranges::any_of(*it, [&](const Json& item) { return item == value || item == "*"; });
}

bool rule_allows(const Object& rule, const AccessRequest& request) {
    if (!list_has(rule, "verbs", request.verb) || !list_has(rule, "apiGroups", request.group) ||
        !list_has(rule, "resources", request.resource))
        return false;
    const auto names = rule.find("resourceNames");
    if (names == rule.end() || !names->is_array() || names->empty()) return true;
    return std::ranges::find(*names, Json(request.name)) != names->end();
}

bool is_subject(const Object& subject, const std::string& user) {
    const auto account = user.substr(service_account_prefix.size());
    const auto ns = account.substr(0, account.find(':'));
    const auto kind = subject.value("kind", "");
    const auto name = subject.value("name", "");
    if (kind == "ServiceAccount") return subject.value("namespace", "") + ":" + name == account;
    if (kind == "User") return name == user;
    return kind == "Group" && (name == "system:serviceaccounts" || name == "system:serviceaccounts:" + ns ||
                               name == "system:authenticated");
}

}  // namespace

std::string name_in_field_selector(std::string_view field_selector) {
    constexpr std::string_view key = "metadata.name";
    for (std::size_t start = 0; start <= field_selector.size();) {
        const auto end = std::min(field_selector.find(',', start), field_selector.size());
        auto term = field_selector.substr(start, end - start);
        start = end + 1;
        if (!term.starts_with(key)) continue;
        term.remove_prefix(key.size());
        if (!term.starts_with('=')) continue;
        term.remove_prefix(term.starts_with("==") ? 2 : 1);
        return std::string(term);
    }
    return {};
}

bool is_allowed(const ObjectStore& store, const AccessRequest& request) {
    if (!request.user.starts_with(service_account_prefix)) return request.user == "admin";
    if (request.ns.empty()) return false;
    for (const auto& binding : store.list("rolebindings", request.ns)) {
        const auto subjects = binding->value("subjects", Json::array());
        if (std::ranges::none_of(subjects, [&](const Json& s) { return is_subject(s, request.user); })) continue;
        const auto role_ref = binding->value("roleRef", Json::object());
        if (role_ref.value("kind", "") != "Role") continue;
        const auto role = store.get({"roles", request.ns, role_ref.value("name", "")});
        if (!role) continue;
        const auto rules = role->value("rules", Json::array());
        if (std::ranges::any_of(rules, [&](const Json& rule) { return rule_allows(rule, request); })) return true;
    }
    return false;
}

}  // namespace toygres::localkube
