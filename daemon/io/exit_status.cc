#include <cstring>

#include "daemon/io/child.h"

namespace workmand::io {

std::string ExitStatus::ToString() const {
  if (!exec_error.empty()) return "cannot execute: " + exec_error;
  if (unknown) return "ended, and its parent knows how";
  if (signal == 0) return "exit " + std::to_string(code);
  std::string text = "signal " + std::to_string(signal);
  if (const char* name = sigabbrev_np(signal); name != nullptr) {
    text += std::string(" (SIG") + name + ")";
  }
  return text;
}

}  // namespace workmand::io
