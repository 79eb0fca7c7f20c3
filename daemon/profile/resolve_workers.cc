#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <memory>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/profile/env_file.h"
#include "daemon/profile/mode_keys.h"
#include "daemon/profile/placeholder.h"
#include "daemon/profile/resolve.h"
#include "daemon/profile/text.h"

namespace workmand {
namespace {

namespace fs = std::filesystem;

/// No profile comes near; /dev/zero does not end.
constexpr std::size_t kMaxFileSize = std::size_t{4} << 20U;
/// Where execvp looks when there is no PATH.
constexpr std::string_view kPathWithoutPath = "/bin:/usr/bin";

bool IsFolder(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// "" when `path` can be executed; else why not.
std::string WhyNotExecutable(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return "cannot be run" + SystemReason(errno);
  if (S_ISDIR(status.st_mode)) return "is a folder, not a program";
  if (!S_ISREG(status.st_mode)) return "is not a file";
  if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) return "is not executable";
  return "";
}

bool IsInPath(const std::string& program, std::string_view path, const std::string& directory) {
  while (true) {
    const std::size_t colon = path.find(':');
    // An empty part is the working directory, as for execvp.
    const std::string folder(path.substr(0, colon));
    if (WhyNotExecutable((fs::path(directory) / folder / program).string()).empty()) return true;
    if (colon == std::string_view::npos) return false;
    path.remove_prefix(colon + 1);
  }
}

/// What is started: command[0], in mode exec with each task in the place of {task}.
std::vector<std::string> Programs(const Profile& profile) {
  if (profile.command.empty()) return {};
  const std::string& first = profile.command.front();
  const auto parts = ParseArgument(first);
  const bool plain =
      !parts || (parts->size() == 1 && parts->front().kind == ArgumentPart::Kind::kText);
  if (profile.mode != Mode::kExec || plain) return {first};
  std::vector<std::string> programs;
  for (const auto& [task, options] : profile.tasks) {
    std::string& program = programs.emplace_back();
    for (const ArgumentPart& part : *parts) {
      if (part.kind != ArgumentPart::Kind::kText && part.kind != ArgumentPart::Kind::kTask) {
        return {};  // CheckMode refuses it
      }
      program += part.kind == ArgumentPart::Kind::kText ? part.text : task;
    }
  }
  return programs;
}

void FindProgram(const Draft& draft, const LoadOptions& options, const std::string& program,
                 Problems& problems) {
  const Profile& profile = draft.profile;
  if (program.find('/') != std::string::npos) {
    const fs::path full = fs::path(profile.working_directory) / program;
    const std::string why = WhyNotExecutable(full.lexically_normal().string());
    if (!why.empty()) {
      problems.Add(draft.PlaceOf("command"), "command", "'" + program + "' " + why);
    }
    return;
  }
  const auto own = profile.env.find("PATH");
  const auto inherited = options.environment.find("PATH");
  std::string_view path = kPathWithoutPath;
  if (inherited != options.environment.end()) path = inherited->second;
  if (own != profile.env.end()) path = own->second;
  if (IsInPath(program, path, profile.working_directory)) return;
  problems.Add(draft.PlaceOf("command"), "command", "'" + program + "' not found in PATH");
}

void FindCommand(const Draft& draft, const LoadOptions& options, Problems& problems) {
  if (problems.Has("command") || problems.Has("env")) return;
  for (const std::string& program : Programs(draft.profile)) {
    FindProgram(draft, options, program, problems);
  }
}

void ReadEnvFile(Draft& draft, Problems& problems) {
  if (draft.env_file.empty()) return;
  Profile& profile = draft.profile;
  const auto text = ReadWholeFile((fs::path(profile.directory) / draft.env_file).string());
  if (!text) {
    problems.Add(draft.PlaceOf("env_file"), "env_file",
                 "'" + draft.env_file + "' " + text.error().message);
    return;
  }
  EnvFile file = ParseEnvFile(*text);
  const std::string shown = (fs::path(profile.path).parent_path() / draft.env_file).string();
  for (EnvFile::Problem& problem : file.problems) {
    problems.AddIn(shown, problem.line, std::move(problem.sentence));
  }
  // What `env` says is there already and wins.
  profile.env.merge(file.variables);
}

void CheckOwner(const Draft& draft, Problems& problems) {
  const Profile& profile = draft.profile;
  const auto check = [&](const std::string& key, const std::string& name, bool exists) {
    if (name.empty() || problems.Has(key)) return;
    const Place place = draft.PlaceOf(key);
    if (!exists) problems.Add(place, key, "there is no " + key + " '" + name + "' on this system");
    if (geteuid() != 0) {
      problems.Add(place, key,
                   "needs root (workmand runs as user id " + std::to_string(geteuid()) + ")");
    }
  };
  check("user", profile.user, getpwnam(profile.user.c_str()) != nullptr);
  check("group", profile.group, getgrnam(profile.group.c_str()) != nullptr);
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path) {
  const auto fail = [](const std::string& reason) {
    return Fail(ErrorCode::kSystem, "cannot be read" + reason);
  };
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "re"), close);
  if (!file) return fail(SystemReason(errno));
  std::string text;
  std::array<char, 16'384> buffer{};
  while (true) {
    const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    text.append(buffer.data(), count);
    if (text.size() > kMaxFileSize) return fail(": it is larger than 4MiB");
    if (count == buffer.size()) continue;
    if (std::ferror(file.get()) != 0) return fail(SystemReason(errno));
    return text;
  }
}

void ResolveWorkers(Draft& draft, const LoadOptions& options, Problems& problems) {
  if (!options.resolve_command) return;
  ReadEnvFile(draft, problems);
  const std::string& folder = draft.profile.working_directory;
  if (!problems.Has("working_directory") && !IsFolder(folder)) {
    problems.Add(draft.PlaceOf("working_directory"), "working_directory",
                 "'" + folder + "' is not a folder");
  } else {
    FindCommand(draft, options, problems);
  }
  CheckOwner(draft, problems);
  ResolveMode(draft, problems);
}

}  // namespace workmand
