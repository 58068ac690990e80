// A turn of a history, as it is stored.
#include "fuzz/fuzz.hpp"
#include "runtime/core/event.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto events = runtime::events_from_text(fuzz::text_of(data, size), 7);
    if (!events) {
        fuzz::expect_refusal(events.error());
        TG_ASSERT(events.error().code == "bad_history" && events.error().message.starts_with("event "));
        return 0;
    }
    const auto text = runtime::events_to_text(*events, 0);
    TG_ASSERT(value_or_raise(runtime::events_from_text(text)) == *events);
    for (const auto& event : *events) {
        // The slow reader and the fast one agree.
        TG_ASSERT(value_or_raise(runtime::event_from_json(runtime::to_json_value(event))) == event);
        TG_ASSERT(runtime::difference(event, event).empty());
        try {
            runtime::origins_of(event);
        } catch (const ErrorException& e) {
            fuzz::expect_refusal(e.error());
        }
    }
    return 0;
}
