// The server's metrics of what the layers below count for nobody: the pool of the CMS, the Kubernetes client.
#pragma once
#include "pg/pool.hpp"

#include <chrono>
#include <initializer_list>
#include <string_view>

namespace toygres::app {

// PoolOptions::on_acquired.
void count_acquired(std::chrono::nanoseconds took, const Error* error);
// What they hold together.
void observe_pools(std::initializer_list<const pg::Pool*> pools);
// ClientSettings::on_attempt.
void count_kube_attempt(std::string_view verb, int status, std::chrono::nanoseconds took);
// Events that are rare count from 0, so that a rate knows of the first one; and which release this is.
void declare_metrics();

}  // namespace toygres::app
