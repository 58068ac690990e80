// A refusal of the Kubernetes API: the line of its Retry-After, a byte for its status, its body.
#include "base/json.hpp"
#include "fuzz/fuzz.hpp"
#include "kube/status.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    http::Response response{400, {{"Retry-After", std::string(fuzz::take_line(text))}}, {}};
    if (!text.empty()) response.status = 400 + static_cast<unsigned char>(text.front()) % 200;
    response.body = text.substr(std::min<std::size_t>(1, text.size()));
    const auto error = kube::status_error("get Pod x", response);
    TG_ASSERT(error.code.starts_with("kube_") && error.message.starts_with("get Pod x: "));
    if (const auto wait = kube::retry_after(response)) TG_ASSERT(wait->count() >= 0);
    return 0;
}
