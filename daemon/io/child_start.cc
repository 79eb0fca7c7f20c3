#include "daemon/io/child_start.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <unistd.h>
#include <utility>

#include "daemon/io/pipes.h"

namespace workmand::io {
namespace {

/// Of a channel beside stdio, as the child sees it; its other half is 3. A side pipe is 3, too.
constexpr int kExtraOut = 4;
constexpr int kSidePipe = 3;

/// The last descriptor that the command gets; the one of the launch report follows it.
int LastFd(const ChildSpec& spec) {
  if (spec.channel == ChildSpec::Channel::kExtra) return kExtraOut;
  return spec.side_pipe ? kSidePipe : STDERR_FILENO;
}

std::string LimitText(std::uint64_t value) {
  return value == std::numeric_limits<std::uint64_t>::max() ? "unlimited" : std::to_string(value);
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

uv_stdio_container_t Null() {
  uv_stdio_container_t container{};
  container.flags = UV_IGNORE;
  return container;
}

uv_stdio_container_t Inherit(int fd) {
  uv_stdio_container_t container{};
  container.flags = UV_INHERIT_FD;
  container.data.fd = fd;
  return container;
}

/// How fd 2 of the child is filled. `pipe` is opened for kPipe only.
Result<uv_stdio_container_t> StderrOf(const ChildSpec& spec, Pipe& pipe) {
  switch (spec.stderr_mode) {
    case ChildSpec::Stderr::kInherit: return Inherit(STDERR_FILENO);
    case ChildSpec::Stderr::kNull: return Null();
    case ChildSpec::Stderr::kPipe: break;
  }
  auto made = MakePipe(PipeDirection::kFromChild);
  if (!made) return tl::unexpected(made.error());
  pipe = std::move(*made);
  return Inherit(pipe.theirs.get());
}

}  // namespace

std::vector<std::string> LauncherCommand(const ChildSpec& spec, pid_t parent, int report_fd) {
  std::vector<std::string> command{spec.launcher, "--parent", std::to_string(parent), "--report-fd",
                                   std::to_string(report_fd)};
  const auto add = [&command](const char* option, std::string value) {
    command.emplace_back(option);
    command.push_back(std::move(value));
  };
  if (LastFd(spec) != STDERR_FILENO) add("--last-fd", std::to_string(LastFd(spec)));
  for (const auto& [name, value] : spec.rlimits) {
    add("--rlimit", name + "=" + LimitText(value) + ":" + LimitText(value));
  }
  if (spec.soft_file_limit && !spec.rlimits.contains("nofile")) {
    add("--rlimit", "nofile=" + LimitText(*spec.soft_file_limit) + ":");
  }
  if (spec.nice) add("--nice", std::to_string(*spec.nice));
  if (spec.umask) add("--umask", std::to_string(*spec.umask));
  if (!spec.user.empty()) add("--user", spec.user);
  if (!spec.group.empty()) add("--group", spec.group);
  if (!spec.working_directory.empty()) add("--chdir", spec.working_directory);
  command.emplace_back("--");
  command.insert(command.end(), spec.argv.begin(), spec.argv.end());
  return command;
}

Result<StartedChild> StartChild(Loop& loop, uv_process_t* process, const ChildSpec& spec,
                                uv_exit_cb on_exit) {
  if (spec.argv.empty() || spec.argv.front().empty()) {
    return Fail(ErrorCode::kInvalid, "the command is empty");
  }
  auto in = MakePipe(PipeDirection::kToChild);
  if (!in) return tl::unexpected(in.error());
  auto out = MakePipe(PipeDirection::kFromChild);
  if (!out) return tl::unexpected(out.error());
  auto report = MakePipe(PipeDirection::kFromChild);
  if (!report) return tl::unexpected(report.error());
  Pipe side;
  if (spec.side_pipe) {
    auto made = MakePipe(PipeDirection::kFromChild);
    if (!made) return tl::unexpected(made.error());
    side = std::move(*made);
  }
  Pipe err;
  auto err_stdio = StderrOf(spec, err);
  if (!err_stdio) return tl::unexpected(err_stdio.error());

  std::vector<uv_stdio_container_t> stdio{Inherit(in->theirs.get()), Inherit(out->theirs.get())};
  if (spec.channel == ChildSpec::Channel::kExtra) {
    stdio.insert(stdio.begin(), {Null(), *err_stdio, *err_stdio});
  } else {
    stdio.push_back(*err_stdio);
  }
  if (side.theirs) stdio.push_back(Inherit(side.theirs.get()));
  stdio.push_back(Inherit(report->theirs.get()));
  auto command = LauncherCommand(spec, ::getpid(), LastFd(spec) + 1);
  auto args = Pointers(command);
  auto env_texts = spec.env;
  auto env = Pointers(env_texts);
  uv_process_options_t options{};
  options.exit_cb = on_exit;
  options.file = spec.launcher.c_str();
  options.args = args.data();
  options.env = env.data();
  options.flags = UV_PROCESS_DETACHED;
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  if (const int error = uv_spawn(loop.get(), process, &options); error != 0) {
    return Fail(ErrorCode::kSystem, "cannot start '" + spec.launcher + "': " + uv_strerror(error));
  }
  return StartedChild{std::move(in->ours), std::move(out->ours), std::move(err.ours),
                      std::move(side.ours), std::move(report->ours)};
}

std::string ReadLaunchReport(int fd) {
  std::array<char, 512> text{};
  ssize_t size = 0;
  do {
    size = ::read(fd, text.data(), text.size());
  } while (size < 0 && errno == EINTR);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace workmand::io
