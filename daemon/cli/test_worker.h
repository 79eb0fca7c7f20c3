// `workman test-worker`: plays the daemon for any executable and tries whether it keeps the
// protocol of docs/protocol.md. docs/cli.md lists the cases.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/cli/console.h"

namespace workmand::cli {

struct KitOptions {
  std::vector<std::string> command;
  std::string task = "kit.echo";            ///< one whose jobs succeed
  std::optional<std::string> args;          ///< raw JSON; absent: the task returns what it is given
  std::optional<std::string> expect;        ///< raw JSON: its result with `args`
  bool sdk = false;                         ///< level R counts
  bool fixture = false;                     ///< level S runs and counts
  std::set<std::string> expected_failures;  ///< numbers or names of cases
  std::set<std::string> only;               ///< the same; empty = all
  int rounds = 300;                         ///< of abrt-race
  int patience = 1;                         ///< every limit so many times as long
};

/// Runs the cases and prints TAP. kOk when all that count have passed.
[[nodiscard]] ExitCode RunTestWorker(const KitOptions& options);

}  // namespace workmand::cli
