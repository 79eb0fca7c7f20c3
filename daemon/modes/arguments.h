// The command line and the environment of a program that runs one job. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/modes/payload.h"

namespace workmand {

/// What the placeholders of a command stand for.
struct ArgumentValues {
  std::string_view task;
  std::string_view id;  ///< of the delivery
  int attempt = 1;
  const FittedInput* payload = nullptr;
};

/// The command with every placeholder filled in, each within its own argument. The commands of a
/// loaded profile parse. On a job whose arguments do not fit: `unfit` says which and why, and the
/// command must not be run.
std::vector<std::string> FillIn(const std::vector<std::string>& command,
                                const ArgumentValues& values, Unfit& unfit);

/// The value at `path` ("user.id", "list.0"; "" = the whole) in valid JSON, as raw text; empty when
/// there is none.
std::string_view ValueAt(std::string_view json, std::string_view path);
/// The value of one member of a valid JSON object, whatever is in its name; empty when absent.
std::string_view MemberOf(std::string_view object, std::string_view name);

}  // namespace workmand
