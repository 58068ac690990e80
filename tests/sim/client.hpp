// The users of a simulation: they start what the seed says, signal, cancel and terminate it, and say everything again
// until they have an answer, some of it more often than that.
#pragma once
#include "process.hpp"
#include "runtime/host/client.hpp"

namespace toygres::sim {

// One orchestration that a user starts.
struct Wish {
    std::string id;
    std::string type;
    Spec spec;
    milliseconds start_at;
    int repeats;  // of every signal
    milliseconds pace;
};

std::vector<Wish> draw_wishes(Random random);

class Users : public Actor {
  public:
    Users(Database& database, Random random, std::vector<Wish> wishes);
    void begin();
    bool satisfied() const { return open_ == 0; }

  private:
    asio::awaitable<void> pursue(Wish wish);
    asio::awaitable<void> signal(Wish wish, int number);
    asio::awaitable<void> pay(Wish wish);
    // Until there is an answer, or a refusal that it may give; the same one each time.
    asio::awaitable<Result<Json>> ask(std::function<asio::awaitable<Result<Json>>()> question);
    // Tries until it is done, or until there is nobody left to tell.
    asio::awaitable<void> insist(std::function<asio::awaitable<Result<void>>()> attempt);
    asio::awaitable<Result<void>> start(Wish wish);
    asio::awaitable<void> rest(milliseconds time);

    Database& db_;
    SimClock clock_;
    SimStore store_;
    Client client_;
    std::vector<Wish> wishes_;
    std::size_t open_;
};

}  // namespace toygres::sim
