// A line of a watch, and what is read of the object in it.
#include "fuzz/fuzz.hpp"
#include "kube/inspect.hpp"
#include "kube/pods.hpp"
#include "kube/trouble.hpp"
#include "kube/watch_event.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto event = kube::parse_watch_event(fuzz::text_of(data, size), "Pods");
    if (!event) {
        TG_ASSERT(event.error().kind == ErrorKind::transient && event.error().message.starts_with("watch Pods: "));
        return 0;
    }
    const auto& object = event->object;
    kube::facts_of(object);
    kube::service_address(object);
    kube::ref_of(object);
    kube::trouble_of_events({object, object});
    if (const auto ready = kube::pod_ready(&object); !ready) fuzz::expect_refusal(ready.error());
    if (const auto address = kube::pod_has_address(&object); !address) fuzz::expect_refusal(address.error());
    if (const auto trouble = kube::trouble_of_pod(object, Timestamp{})) TG_ASSERT(!trouble->reason.empty());
    if (const auto value = kube::secret_value(object, "password"); !value)
        TG_ASSERT(value.error().code == "secret_key_missing");
    return 0;
}
