// Any text is a profile or a list of complaints. A profile that loads prints, and what is printed
// loads again to an equal one. Input: the YAML; lines "#set KEY=VALUE" in front are overrides.
#include <string>

#include "daemon/profile/ladder.h"
#include "daemon/profile/load.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

constexpr const char* kPath = "/etc/workman/fuzz.yaml";
constexpr std::string_view kSet = "#set ";

LoadOptions MakeOptions() {
  LoadOptions options;
  options.environment = {{"HOME", "/home/ann"},
                         {"XDG_RUNTIME_DIR", "/run/user/7"},
                         {"EMPTY", ""},
                         {"FOUR", "4"},
                         {"PLACE", "north"}};
  // Nothing on this machine decides about an input.
  options.resolve_command = false;
  return options;
}

/// Takes the overrides off the front of the text.
void TakeOverrides(std::string_view& text, LoadOptions& options) {
  while (text.substr(0, kSet.size()) == kSet) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view body = line.substr(kSet.size());
    const std::size_t equals = body.find('=');
    if (equals == std::string_view::npos) continue;
    options.overrides.emplace_back(body.substr(0, equals), body.substr(equals + 1));
  }
}

void CheckErrors(const LoadedProfile& loaded) {
  for (const ProfileError& error : loaded.errors) {
    Require(!error.sentence.empty(), "a complaint is a sentence");
    Require(error.mark.line >= 0 && error.mark.column >= 0, "places are counted from 1");
    Require(!error.ToString().empty(), "a complaint can be shown");
  }
}

void CheckRoundTrip(const Profile& profile) {
  const std::string printed = PrintProfile(profile);
  const LoadedProfile again = ParseProfile(printed, kPath, MakeOptions());
  if (!again.ok()) std::fprintf(stderr, "%s\n", again.errors.front().ToString().c_str());
  if (!again.ok()) std::fprintf(stderr, "%s", printed.c_str());
  Require(again.ok(), "what is printed loads");
  const std::string twice = PrintProfile(again.profile);
  if (twice != printed) std::fprintf(stderr, "%s---\n%s", printed.c_str(), twice.c_str());
  Require(twice == printed, "what was loaded from a print prints the same");
  // Passwords are not printed, so a profile with some loads again to another one.
  const bool masked = printed.find("***") != std::string::npos;
  if (!masked && !(again.profile == profile)) std::fprintf(stderr, "%s", printed.c_str());
  Require(masked || again.profile == profile, "what is printed loads to an equal profile");
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace workmand::fuzz;
  std::string_view text = Text(data, size);
  workmand::LoadOptions options = MakeOptions();
  TakeOverrides(text, options);
  const workmand::LoadedProfile loaded = workmand::ParseProfile(text, kPath, options);
  CheckErrors(loaded);
  if (!loaded.ok()) return 0;
  Require(!workmand::PrintLadder(loaded.profile).empty(), "a profile has a ladder");
  CheckRoundTrip(loaded.profile);
  return 0;
}
