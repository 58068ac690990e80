// Watching objects: a list, then changes as they happen, across lost connections and expired resource versions.
#pragma once
#include "kube/client.hpp"
#include "kube/inspect.hpp"

#include <chrono>
#include <functional>

namespace toygres::kube {

enum class Change { added, modified, deleted };

// Tells every object of the collection (as `added`) and then every change, until on_change returns false. Goes on by
// itself after a lost connection, and after 410 with a new list, of which the difference is told. `on_listed` is called
// after each complete list. `on_lost` is called with each error that trying again may mend; false ends the watch with
// it. Other errors: only those that trying again does not mend (kube_forbidden, kube_invalid, …), and
// timeout/"kube_wait_timed_out" at the deadline.
asio::awaitable<Result<void>> watch(Client& client, ResourceRef collection, Selection selection,
                                    std::chrono::steady_clock::time_point deadline,
                                    std::function<bool(Change, const Json&)> on_change,
                                    std::function<bool()> on_listed = {},
                                    std::function<bool(const Error&)> on_lost = {});

// nullptr: the object does not exist. true ends the wait, false goes on, an error ends it with that error.
using Predicate = std::function<Result<bool>(const Json* object)>;

// Waits, without polling, until the predicate holds for one object; gives the object (null when it does not exist).
// Errors: those of watch() and of the predicate; the time-out's message names the object.
asio::awaitable<Result<Json>> wait_until(Client& client, ResourceRef ref, Predicate predicate,
                                         std::chrono::milliseconds timeout);

// Until the object is gone, or another one of the same name has taken its place (`uid` not empty).
asio::awaitable<Result<void>> wait_gone(Client& client, ResourceRef ref, std::chrono::milliseconds timeout,
                                        std::string uid = {});

}  // namespace toygres::kube
