// A YAML document.
#include "fuzz/fuzz.hpp"
#include "kube/yaml.hpp"

using namespace toygres;

namespace {

constexpr std::size_t yaml_key_max = 1024;  // of a key on a line of its own; yaml-cpp looks no further for the colon

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto json = kube::parse_yaml(fuzz::text_of(data, size), "given.yaml");
    if (!json) {
        fuzz::expect_refusal(json.error());
        TG_ASSERT(json.error().message.starts_with("given.yaml:"));
        return 0;
    }
    // JSON is YAML.
    const auto text = json->dump();
    if (text.size() >= yaml_key_max) return 0;
    const auto again = kube::parse_yaml(text, "given.yaml");
    TG_ASSERT(again && *again == *json);
    return 0;
}
