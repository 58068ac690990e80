// Queries and updates: answered from the live state, in a transaction with what else the turn does. Questions to what
// does not run are answered all the same, lest those who ask wait for nothing.
#include "runtime/host/host.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

Answer Host::answer_to(const Arrival& question, const Result<Json>& outcome) {
    Json answer;
    if (outcome)
        answer["output"] = *outcome;
    else
        answer["error"] = to_json_value(outcome.error());
    return {question.event.target, std::move(answer)};
}

Answer Host::answer(Live& live, const Arrival& question) {
    const auto& event = question.event;
    auto& execution = *live.execution;
    return answer_to(
        question, question.order == Order::query ? execution.ask(event.name, event.payload) : execution.update(event));
}

// While it is paused: it can be looked at, once it has begun, and not changed.
void Host::answer_at_rest(Live& live) {
    settle_questions(live, [&](const Arrival& question) {
        if (question.order == Order::query && live.execution) return answer(live, question);
        return answer_to(question, std::unexpected(Error{ErrorKind::conflict, "orchestration_paused",
                                                         fmt::format("{} is paused; resume it first", live.row.id)}));
    });
}

void Host::refuse_questions(Live& live, const Error& error) {
    settle_questions(live, [&](const Arrival& question) { return answer_to(question, std::unexpected(error)); });
}

void Host::settle_questions(Live& live, const std::function<Answer(const Arrival&)>& answer) {
    if (live.dropped || !epoch_of(live.shard)) return;  // the next owner's business
    Turn turn{.id = live.row.id};
    std::erase_if(live.arrivals, [&](const Arrival& arrival) {
        if (!arrival.is_question()) return false;
        turn.consumed.push_back(arrival.message_id);
        turn.answers.push_back(answer(arrival));
        return true;
    });
    if (!turn.consumed.empty()) consume(std::move(turn));
}

// Those in this process; others look into the database.
void Host::tell_askers(const std::string& id, const std::vector<Answer>& answers) {
    if (!on_answered) return;
    for (const auto& answer : answers) on_answered(request_name(id, answer.request));
}

}  // namespace toygres::runtime
