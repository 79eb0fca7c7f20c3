// What the tests of this room share: loading a text with an environment of their own, and a folder
// that goes away with its owner.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/profile/load.h"

namespace workmand::test {

using Lines = std::vector<std::string>;
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// The least that is a profile.
inline constexpr const char* kMinimal = "command: [sh]\n";

inline LoadOptions MakeOptions(Overrides overrides = {}) {
  LoadOptions options;
  options.overrides = std::move(overrides);
  options.environment = {{"PATH", "/usr/bin:/bin"},
                         {"HOME", "/home/ann"},
                         {"XDG_RUNTIME_DIR", "/run/user/7"},
                         {"EMPTY", ""},
                         {"FOUR", "4"},
                         {"PLACE", "north"}};
  return options;
}

inline LoadedProfile Parse(const std::string& text, Overrides overrides = {}) {
  return ParseProfile(text, "conf/a.yaml", MakeOptions(std::move(overrides)));
}

/// The messages as a person sees them.
inline Lines ErrorsIn(const LoadedProfile& loaded) {
  Lines lines;
  for (const ProfileError& error : loaded.errors) lines.push_back(error.ToString());
  return lines;
}

inline Lines Errors(const std::string& text, Overrides overrides = {}) {
  // The working directory of the tests has no folder "conf", and no worker is started.
  LoadOptions options = MakeOptions(std::move(overrides));
  options.resolve_command = false;
  return ErrorsIn(ParseProfile(text, "conf/a.yaml", options));
}

/// A good text: loaded, with every complaint an exception that fails the test.
inline Profile Good(const std::string& text, Overrides overrides = {}) {
  LoadOptions options = MakeOptions(std::move(overrides));
  options.resolve_command = false;
  const LoadedProfile loaded = ParseProfile(text, "conf/a.yaml", options);
  if (!loaded.ok()) throw std::runtime_error(loaded.errors.front().ToString());
  return loaded.profile;
}

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "workman-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  TempFolder(TempFolder&&) = delete;
  TempFolder& operator=(TempFolder&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Writes a file, with its folders, and returns its path.
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file.string();
  }

 private:
  std::string path_;
};

}  // namespace workmand::test
