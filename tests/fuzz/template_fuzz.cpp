// A template of a Kubernetes object, filled with values that would be structure if they could.
#include "fuzz/fuzz.hpp"
#include "kube/template.hpp"

using namespace toygres;

namespace {

// The same but for scalars.
bool same_shape(const Json& a, const Json& b) {
    if (a.is_structured() != b.is_structured()) return false;
    if (!a.is_structured()) return true;
    if (a.type() != b.type() || a.size() != b.size()) return false;
    if (a.is_array()) {
        for (std::size_t i = 0; i < a.size(); ++i)
            if (!same_shape(a[i], b[i])) return false;
        return true;
    }
    for (const auto& [key, item] : a.items())
        if (!b.contains(key) || !same_shape(item, b[key])) return false;
    return true;
}

Json filled(const kube::Template& parsed, const std::string& value) {
    Json values = Json::object();
    for (const auto& name : parsed.placeholders()) values[name] = value;
    return value_or_raise(parsed.render(values));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parsed = kube::Template::parse("given.yaml", fuzz::text_of(data, size));
    if (!parsed) {
        fuzz::expect_refusal(parsed.error());
        TG_ASSERT(parsed.error().message.starts_with("given.yaml:"));
        return 0;
    }
    // No value changes the structure.
    TG_ASSERT(same_shape(filled(*parsed, "x"), filled(*parsed, "a: [1, 2]\n- {b: \"c\"}\n---\n${d}")));
    if (!parsed->placeholders().empty()) TG_ASSERT(!parsed->render(Json::object()));
    TG_ASSERT(!parsed->render({{"Nobody uses it", 1}}));
    return 0;
}
