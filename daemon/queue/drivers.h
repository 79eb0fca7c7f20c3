// The three functions that each built-in driver gives to the registry: what it can do, what is
// wrong with its keys, and how an instance is made. Only registry.cc calls them; everybody else
// opens a queue by name (registry.h). To add a driver: declare its three here, define them in
// drivers/NAME.cc, and add a line to the table in registry.cc.
#pragma once

#include <memory>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/registry.h"

namespace workmand {

// XCaps: what GetCaps of an instance returns; the same for every instance.
// CheckXOptions: every mistake in the keys of `options` (options.h has helpers). `driver` and
// `prefix` are not the driver's affair.
// OpenX: makes an instance, connected to nothing yet. The keys may be unchecked: a bad one is an
// Error (kInvalid), never a crash. Task names reach the instance with `queue.prefix` already added.

Caps MemoryCaps();
std::vector<QueueKeyError> CheckMemoryOptions(const QueueOptions& options);
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenMemory(const DriverConfig& config, Role role);

Caps SqliteCaps();
std::vector<QueueKeyError> CheckSqliteOptions(const QueueOptions& options);
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenSqlite(const DriverConfig& config, Role role);

Caps GearmanCaps();
std::vector<QueueKeyError> CheckGearmanOptions(const QueueOptions& options);
[[nodiscard]] Result<std::unique_ptr<Queue>> OpenGearman(const DriverConfig& config, Role role);

}  // namespace workmand
