// A module with one fault: modules_test.cc and CMakeLists.txt beside it say which.
#include "daemon/queue/driver_module.h"

extern "C" [[gnu::visibility("default")]] const workmand::DriverModule* MODULE_FUNCTION();
const workmand::DriverModule* MODULE_FUNCTION() {
  static constexpr workmand::DriverModule kModule{workmand::kDriverAbi + ABI_ADDED,
                                                  workmand::FoldDriverSizes() + SIZES_ADDED,
                                                  MODULE_NAME,
                                                  nullptr,
                                                  nullptr,
                                                  nullptr};
  return &kModule;
}
