#include "client.hpp"

namespace toygres::sim {

std::vector<Wish> draw_wishes(Random random) {
    static constexpr std::array types{"chain",    "fan",       "ledger",    "sleeper",   "race",
                                      "limits",   "collector", "collector", "family",    "heir",
                                      "detacher", "cleaner",   "waiter",    "countdown", "account"};
    std::vector<Wish> out;
    const int count = random.between(5, 12);
    for (int i = 0; i < count; ++i) {
        const std::string type = types[static_cast<std::size_t>(random.between(0, types.size() - 1))];
        out.push_back(
            {.id = fmt::format("{}{}", type, i),
             .type = type,
             .spec = {.value = random.between(1, 50), .size = random.between(1, 4), .millis = random.between(1, 400)},
             .start_at = random.time(0, 15'000),
             .repeats = random.between(0, 2),
             .pace = random.time(1, 3000)});
    }
    return out;
}

Users::Users(Database& database, Random random, std::vector<Wish> wishes)
    : db_(database),
      clock_(database.timeline, io.get_executor(), random),
      store_("users", io.get_executor(), database, clock_),
      client_(io.get_executor(), store_, clock_),
      wishes_(std::move(wishes)),
      open_(wishes_.size()) {}

void Users::begin() {
    for (const auto& wish : wishes_)
        asio::co_spawn(io, pursue(wish), [this](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
            --open_;
        });
}

asio::awaitable<void> Users::rest(milliseconds time) {
    Pause pause(io.get_executor(), clock_);
    co_await pause.wait(time);
}

asio::awaitable<void> Users::insist(std::function<asio::awaitable<Result<void>>()> attempt) {
    for (;;) {
        const auto done = co_await attempt();
        if (done || done.error().code == "orchestration_finished") co_return;
        if (!done.error().retryable()) db_.checker.breaks("users are answered", done.error().message);
        co_await rest(milliseconds(200));
    }
}

asio::awaitable<Result<void>> Users::start(Wish wish) {
    auto outcome = co_await client_.start(
        {.id = wish.id, .name = wish.type, .input = encode(wish.spec), .on_conflict = OnConflict::use_existing});
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    co_return Result<void>();
}

asio::awaitable<void> Users::pursue(Wish wish) {
    co_await rest(wish.start_at);
    co_await insist([&] { return start(wish); });
    if (wish.type == "collector")
        for (int i = 1; i <= wish.spec.size; ++i) co_await signal(wish, i);
    if (wish.type == "account") co_await pay(wish);
    if (wish.type == "cleaner" || wish.type == "waiter") {
        co_await rest(wish.pace);
        const bool cancels = wish.type == "cleaner" || wish.spec.value % 2 == 0;
        co_await insist(
            [&] { return cancels ? client_.cancel(wish.id, "enough") : client_.terminate(wish.id, "enough"); });
    }
}

asio::awaitable<Result<Json>> Users::ask(std::function<asio::awaitable<Result<Json>>()> question) {
    for (;;) {
        auto answer = co_await question();
        if (answer || (!answer.error().retryable() && answer.error().code != "no_answer")) co_return answer;
        co_await rest(milliseconds(200));
    }
}

// Nobody else pays into it: what it has, and what each payment comes to, is known.
asio::awaitable<void> Users::pay(Wish wish) {
    int balance = wish.spec.value;
    const auto update = [&](int amount, std::string request) {
        return ask([&, amount, request] { return client_.update(wish.id, "pay", encode(Number{amount}), request); });
    };
    const auto expect = [&](const Result<Json>& answer, const std::string& what) {
        if (!answer || *answer != balance)
            db_.checker.breaks("an update is done once, and answered as it was",
                               fmt::format("{} of {} gave {} instead of {}", what, wish.id,
                                           answer ? answer->dump() : answer.error().code, balance));
    };
    for (int i = 1; i <= wish.spec.size; ++i) {
        const auto refused = co_await update(-i, fmt::format("overdraw-{}", i));
        if (refused || refused.error().code != "overdrawn")
            db_.checker.breaks("an update that is refused changes nothing",
                               fmt::format("{} took {}", wish.id, refused ? refused->dump() : refused.error().code));
        expect(co_await ask([&] { return client_.query(wish.id, "balance", Json()); }), "the balance");
        balance = (balance * 7 + i * 11) % 1'000'003;
        for (int said = 0; said <= wish.repeats; ++said) {
            expect(co_await update(i * 11, fmt::format("pay-{}", i)), fmt::format("payment {}", i));
            co_await rest(wish.pace / 3);
        }
    }
}

// With a key it may be said more than once; without, it is said in a way that cannot fail, and once.
asio::awaitable<void> Users::signal(Wish wish, int number) {
    const auto payload = encode(Number{number * 11});
    if (wish.spec.value % 3 == 0) {
        Message message{.orchestration = wish.id, .kind = MessageKind::signal, .name = "add", .payload = payload};
        db_.tell(message);
        co_await client_.announce(wish.id);
    } else {
        const auto key = fmt::format("add-{}", number);
        for (int i = 0; i <= wish.repeats; ++i) {
            co_await insist([&] { return client_.signal(wish.id, "add", payload, key); });
            if (i < wish.repeats) co_await rest(wish.pace / 2);
        }
    }
    co_await rest(wish.pace / 3);
}

}  // namespace toygres::sim
