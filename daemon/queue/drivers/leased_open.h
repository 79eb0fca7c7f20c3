// How the drivers `theschwartz` and `qudo` come from a profile to a connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/drivers/leased_queue.h"
#include "daemon/queue/options.h"
#include "daemon/queue/registry.h"

namespace workmand::sql {

struct LeasedServer {
  Engine engine = Engine::kSqlite;
  std::function<std::unique_ptr<Session>()> connect;
};

/// From the key `url`: sqlite:///FILE, mysql://… or postgresql://…; relative files start at
/// `directory`.
[[nodiscard]] Result<LeasedServer> LeasedServerOf(const QueueOptions& options,
                                                  const std::string& directory);

/// The only key is `url`.
std::vector<QueueKeyError> CheckLeasedOptions(const QueueOptions& options);

[[nodiscard]] Result<std::unique_ptr<Queue>> OpenLeased(const DriverConfig& config, Caps caps,
                                                        std::unique_ptr<LeasedFormat> format);

}  // namespace workmand::sql
