// Finds and loads driver modules (driver_module.h). Only registry.cc uses it. A module is loaded
// when its driver is asked for, never before, and stays for the life of the process.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/driver_module.h"

namespace workmand {

/// The folders to look into, in order: those of WORKMAN_QUEUE_PATH (split at colons) and no other
/// when it is set; else ../lib/workman/queues beside the folder of the running program, and the
/// folder that was configured for the installation.
std::vector<std::string> ModuleFolders();

/// Whether `name` can be that of a module: it becomes the name of a file.
[[nodiscard]] bool IsModuleName(std::string_view name);

/// The names of the modules that lie in `folders`, sorted, without loading one.
std::vector<std::string> ListModules(std::span<const std::string> folders);

/// Loads NAME.so from the first of `folders` that has it. kNotFound: none has; any other error is a
/// module that cannot be used, with a sentence that names the file. Thread-safe.
[[nodiscard]] Result<const DriverModule*> LoadModule(std::string_view name,
                                                     std::span<const std::string> folders);

}  // namespace workmand
