// What every benchmark needs: percentiles, processor time of processes, and the table with its last line of JSON.
#pragma once
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace toygres::bench {

// The value below which `fraction` (0..1) of the samples lie; 0 without samples.
double percentile(std::vector<double> samples, double fraction);

// Seconds of processor time so far: of this process, and of a process with its children, those that ended included.
double own_cpu_s();
double tree_cpu_s(pid_t root);

// Runs a command to its end and gives its standard output. Throws internal/"command_failed" with the command.
std::string output_of(const std::string& command);

// A readable table on stdout, then all figures as one line of JSON, which stays the last line.
class Report {
  public:
    explicit Report(std::string_view title);
    void heading(std::string_view text);
    // `key`: snake_case, ends in the unit.
    void figure(std::string_view key, double value, std::string_view meaning);
    void finish() const;

  private:
    nlohmann::ordered_json figures_ = nlohmann::ordered_json::object();
};

}  // namespace toygres::bench
