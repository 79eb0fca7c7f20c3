#include "daemon/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace workmand {

void CheckFailed(const char* file, int line, const char* condition, const char* sentence) noexcept {
  std::fprintf(stderr, "workmand: internal error at %s:%d: %s (%s)\n", file, line, sentence,
               condition);
  std::abort();
}

}  // namespace workmand
