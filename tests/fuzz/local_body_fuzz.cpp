// What the embedded cluster is sent: bodies in YAML and protobuf, patches, selectors.
#include "fuzz/fuzz.hpp"
#include "localkube/kube_protobuf.hpp"
#include "localkube/object_store.hpp"
#include "localkube/patch.hpp"
#include "localkube/yaml_json.hpp"

using namespace toygres;

namespace {

// Refused, or done: no other way out.
template <class F> void attempt(F body) {
    try {
        body();
    } catch (const ErrorException& e) {
        fuzz::expect_refusal(e.error());
    }
}

const Json& pod() {
    static const auto out =
        Json::parse(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"b": "c"}},
        "spec": {"containers": [{"name": "postgres", "env": [{"name": "A", "value": "1"}]}]}})");
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    attempt([&] { localkube::parse_kube_protobuf(text).dump(); });
    if (const auto labels = localkube::label_selector(text); !labels)
        fuzz::expect_refusal(labels.error());
    else
        (*labels)(pod());
    if (const auto fields = localkube::field_selector(text); !fields)
        fuzz::expect_refusal(fields.error());
    else
        (*fields)(pod());
    const auto json = localkube::parse_yaml(std::string(text));
    if (!json) {
        fuzz::expect_refusal(json.error());
        return 0;
    }
    attempt([&] { localkube::json_patch(pod(), *json); });
    attempt([&] { localkube::merge_patch(pod(), *json); });
    attempt([&] { localkube::strategic_merge_patch(pod(), *json); });
    return 0;
}
