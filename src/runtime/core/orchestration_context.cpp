#include "runtime/core/orchestration_context.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

OrchestrationContext::OrchestrationContext(Journal& journal, Handlers& handlers, Identity identity)
    : journal_(journal), handlers_(handlers), identity_(std::move(identity)) {}

// SplitMix64 (Steele, Lea, Flood 2014), seeded by who the execution is: the same numbers in every replay.
std::uint64_t OrchestrationContext::random() {
    handlers_.must_not_look();
    if (seeded_for_ != execution()) {
        seeded_for_ = execution();
        random_state_ = digest64(fmt::format("{}/{}/{}", identity_.id, identity_.key, seeded_for_));
    }
    auto z = (random_state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

std::string OrchestrationContext::uuid() {
    const auto high = (random() & ~0xf000ULL) | 0x4000ULL;
    const auto low = (random() & ~(3ULL << 62)) | (2ULL << 62);
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff,
                       low >> 48, low & 0xffffffffffffULL);
}

void OrchestrationContext::post(const std::string& signal, Json payload) {
    handlers_.must_not_look();
    check_payload(payload);
    journal_.post({.kind = EventKind::signal_received, .name = signal, .payload = std::move(payload)});
}

void OrchestrationContext::set_status(Json status) {
    handlers_.must_not_look();
    if (status == journal_.status()) return;
    check_payload(status);
    journal_.emit({.kind = EventKind::status_set, .payload = std::move(status)});
}

void OrchestrationContext::log(std::string_view event, log::Fields fields) const {
    if (journal_.replaying()) return;
    Json object = {{"orchestration", identity_.id}, {"execution", identity_.execution}};
    for (const auto& [key, value] : fields) object[std::string(key)] = value;
    log::write(log::Level::info, event, object);
}

}  // namespace toygres::runtime
