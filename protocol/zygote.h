// The messages around a template: a process that has loaded a worker's code and is forked for every
// worker (docs/protocol.md, "Workers from a template"). None of them is on the job path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace workman::protocol {

/// The feature of `hello` that makes a process a template.
inline constexpr std::string_view kZygote = "zygote";

/// To a template: fork a worker, which connects to `socket` and says `token`.
struct Fork {
  std::string_view worker;  ///< its name, "thumbs-3"
  std::string_view token;
  std::string_view socket;  ///< path
  bool err = false;         ///< it is to connect once more, for its stderr
};
void AppendFork(std::string& out, const Fork& fork);

/// The first line of a connection.
struct Attach {
  std::string token;
  bool err = false;  ///< this connection is its stderr
};
/// Nothing when the line is no such message.
std::optional<Attach> ReadAttach(std::string_view line);

/// From a template: the worker that was to come with this token will not.
struct Exited {
  std::string token;
  std::string why;
};
std::optional<Exited> ReadExited(std::string_view line);

}  // namespace workman::protocol
