// What the network and the database do to a call: how long it takes each way, and whether its answer is lost.
#pragma once
#include "random.hpp"

namespace toygres::sim {

using std::chrono::milliseconds;

enum class Verdict {
    answered,
    refused,     // an error, and nothing happened
    reply_lost,  // an error, but it happened
    done_late,   // an error now, and it happens some time after
};

struct Fate {
    milliseconds request;  // until the database acts
    milliseconds reply;    // from there until the process knows
    Verdict verdict;
};

class Weather {
  public:
    explicit Weather(Random random) : random_(random) {}

    // From now on faults happen, as often as the seed says; until calm().
    void worsen();
    void calm();
    Fate draw();
    bool loses_notice() { return stormy_ && random_.chance(notice_loss_); }
    milliseconds notice_delay() { return random_.time(1, stormy_ ? 50 : 3); }
    // How late what was lost on its way still happens.
    milliseconds late() { return random_.time(1, 4000); }

    bool away = false;       // every call fails
    bool read_only = false;  // every change fails
    bool slow = false;       // calls take up to seconds

  private:
    Random random_;
    bool stormy_ = false;
    int loss_ = 0;  // of calls, per mille
    int notice_loss_ = 0;
    int delay_max_ms_ = 4;
};

}  // namespace toygres::sim
