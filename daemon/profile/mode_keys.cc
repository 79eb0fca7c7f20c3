#include "daemon/profile/mode_keys.h"

#include <array>
#include <charconv>
#include <csignal>

#include "daemon/profile/key_kinds.h"
#include "daemon/profile/pattern.h"
#include "daemon/profile/placeholder.h"
#include "daemon/profile/stdbuf.h"

namespace workmand {
namespace {

/// The place of a key in a Profile, const or not.
#define WORKMAND_AT(member) ([](auto& profile) -> auto& { return profile.member; })

constexpr std::uint64_t kMostResult = std::uint64_t{1} << 30U;
constexpr int kMostExitCode = 255;

constexpr std::array kModes = {Choice<Mode>{"protocol", Mode::kProtocol},
                               Choice<Mode>{"exec", Mode::kExec},
                               Choice<Mode>{"lines", Mode::kLines}};
constexpr std::array kOutputs = {Choice<OutputKind>{"json", OutputKind::kJson},
                                 Choice<OutputKind>{"text", OutputKind::kText}};
constexpr std::array kFramings = {Choice<Framing>{"lines", Framing::kLines},
                                  Choice<Framing>{"netstring", Framing::kNetstring},
                                  Choice<Framing>{"u32be", Framing::kU32be}};
constexpr std::array kMeanings = {Choice<ExitMeaning>{"done", ExitMeaning::kDone},
                                  Choice<ExitMeaning>{"retry", ExitMeaning::kRetry},
                                  Choice<ExitMeaning>{"fail", ExitMeaning::kRetry},
                                  Choice<ExitMeaning>{"permanent", ExitMeaning::kPermanent},
                                  Choice<ExitMeaning>{"abort", ExitMeaning::kAbort},
                                  Choice<ExitMeaning>{"hold", ExitMeaning::kHold},
                                  Choice<ExitMeaning>{"lost", ExitMeaning::kLost}};
constexpr std::array kAbortSignals = {Choice<int>{"TERM", SIGTERM}, Choice<int>{"INT", SIGINT},
                                      Choice<int>{"QUIT", SIGQUIT}, Choice<int>{"ABRT", SIGABRT},
                                      Choice<int>{"HUP", SIGHUP},   Choice<int>{"USR1", SIGUSR1},
                                      Choice<int>{"USR2", SIGUSR2}, Choice<int>{"KILL", SIGKILL}};

std::string_view WordOf(ExitMeaning meaning) {
  for (const auto& choice : kMeanings) {
    if (choice.value == meaning) return choice.word;
  }
  return "";
}

void ReadExitCodes(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  std::vector<std::string> words;
  words.reserve(kMeanings.size());
  for (const auto& choice : kMeanings) words.emplace_back(choice.word);
  for (const YamlNode::Entry& entry : field.node().entries) {
    const Field value = field.Below(entry.value, entry.key);
    int code = -1;
    const char* const end = entry.key.data() + entry.key.size();
    const auto parsed = std::from_chars(entry.key.data(), end, code);
    if (parsed.ec != std::errc() || parsed.ptr != end || code < 0 || code > kMostExitCode) {
      value.Refuse("is no exit code; they are numbers from 0 to 255");
      continue;
    }
    if (const auto index = ReadWord(value, words)) {
      draft.profile.exec.exit_codes[code] = kMeanings.at(*index).value;
    }
  }
}

std::string PrintExitCodes(const std::map<int, ExitMeaning>& codes) {
  std::string text;
  for (const auto& [code, meaning] : codes) {
    text += (text.empty() ? "" : ", ") + std::to_string(code) + ": " + std::string(WordOf(meaning));
  }
  return "{" + text + "}";
}

Key ExitCodesKey() {
  Key key;
  key.path = "exec.exit_codes";
  key.read = ReadExitCodes;
  key.print = [](const Profile& profile) { return PrintExitCodes(profile.exec.exit_codes); };
  return key;
}

Key ErrorMatchKey() {
  return MakeKey(
      "lines.error_match", WORKMAND_AT(lines.error_match),
      [](const Field& field) -> std::optional<std::string> {
        const std::string* text = field.Text();
        if (text == nullptr) return std::nullopt;
        const auto pattern = Pattern::Compile(*text);
        if (!pattern) field.Refuse(pattern.error().message + " (got '" + *text + "')");
        return *text;
      },
      [](const std::string& value) { return PrintValue(value); });
}

/// Printed in its own mode alone: in another one a profile may not state it.
Key OnlyIn(Mode mode, Key key) {
  key.print = [mode, print = key.print](const Profile& profile) {
    return profile.mode == mode ? print(profile) : std::string();
  };
  return key;
}

/// What the command of mode exec says of jobs.
void CheckArguments(const Draft& draft, Problems& problems) {
  const Profile& profile = draft.profile;
  const auto refuse = [&](std::string sentence) {
    problems.Add(draft.PlaceOf("command"), "command", std::move(sentence));
  };
  for (std::size_t i = 0; i < profile.command.size(); ++i) {
    const auto parts = ParseArgument(profile.command[i]);
    if (!parts) {
      refuse(parts.error().message);
      continue;
    }
    for (const ArgumentPart& part : *parts) {
      const bool args = part.kind == ArgumentPart::Kind::kArgs;
      if (i == 0 && part.kind != ArgumentPart::Kind::kText &&
          part.kind != ArgumentPart::Kind::kTask) {
        refuse("only {task} can stand in the name of the program (got '" + profile.command[i] +
               "')");
      } else if (args && profile.payload == PayloadKind::kBase64) {
        refuse("{args} needs a payload that is text or JSON (payload is base64)");
      } else if (args && !part.text.empty() && profile.payload == PayloadKind::kText) {
        refuse("{args." + part.text + "} needs payload: json (payload is text)");
      }
    }
  }
}

}  // namespace

std::vector<Key> ModeKeys() {
  const auto exec = [](Key key) { return OnlyIn(Mode::kExec, std::move(key)); };
  const auto lines = [](Key key) { return OnlyIn(Mode::kLines, std::move(key)); };
  return {
      ChoiceKey("mode", WORKMAND_AT(mode), kModes),
      exec(ChoiceKey("exec.result", WORKMAND_AT(exec.result), kOutputs)),
      exec(MakeKey(
          "exec.max_result", WORKMAND_AT(exec.max_result),
          [](const Field& field) { return ReadSize(field, 1, kMostResult); },
          [](std::size_t bytes) { return PrintSize(bytes); })),
      exec(ExitCodesKey()),
      exec(ChoiceKey("exec.abort_signal", WORKMAND_AT(exec.abort_signal), kAbortSignals)),
      lines(ChoiceKey("lines.result", WORKMAND_AT(lines.result), kOutputs)),
      lines(ChoiceKey("lines.framing", WORKMAND_AT(lines.framing), kFramings)),
      lines(SwitchKey("lines.stdbuf", WORKMAND_AT(lines.stdbuf))),
      lines(ErrorMatchKey()),
      lines(TextKey("lines.error_key", WORKMAND_AT(lines.error_key))),
  };
}

#undef WORKMAND_AT

void CheckMode(const Draft& draft, Problems& problems) {
  const Profile& profile = draft.profile;
  const std::string mode(ToString(profile.mode));
  for (const auto& [block, its_mode] : {std::pair{"exec", Mode::kExec}, {"lines", Mode::kLines}}) {
    if (profile.mode == its_mode) continue;
    for (const auto& [key, place] : draft.places) {
      if (key == block || !IsBelow(key, block)) continue;
      problems.Add(place, key, std::string("belongs to mode ") + block + " (mode is " + mode + ")");
    }
  }
  if (profile.mode == Mode::kProtocol) return;
  if (profile.preload) {
    problems.Add(draft.PlaceOf("preload"), "preload",
                 "needs workers that speak the protocol (mode is " + mode + ")");
  }
  if (profile.tasks.empty() && !problems.Has("tasks")) {
    problems.Add(draft.PlaceOf("tasks"), "tasks",
                 "is missing; a program of mode " + mode +
                     " announces nothing, so the profile names its tasks, as in 'tasks: "
                     "{Resize: {}}'");
  }
  if (!profile.config_json.empty()) {
    problems.Add(draft.PlaceOf("config"), "config",
                 "is told to workers that speak the protocol only (mode is " + mode +
                     "); use env or the command line");
  }
  if (profile.mode == Mode::kExec) CheckArguments(draft, problems);
  if (!profile.lines.error_key.empty() && profile.lines.result != OutputKind::kJson) {
    problems.Add(draft.PlaceOf("lines.error_key"), "lines.error_key",
                 "needs lines.result: json (got text)");
  }
}

void ResolveMode(const Draft& draft, Problems& problems) {
  if (draft.profile.mode != Mode::kLines || !draft.profile.lines.stdbuf) return;
  if (!FindStdbufLibrary().empty()) return;
  problems.Add(draft.PlaceOf("lines.stdbuf"), "lines.stdbuf",
               "needs libstdbuf.so, a part of GNU coreutils that is not on this system");
}

std::string_view ToString(Mode mode) {
  for (const auto& choice : kModes) {
    if (choice.value == mode) return choice.word;
  }
  return "";
}

std::string_view SignalName(int signo) {
  for (const auto& choice : kAbortSignals) {
    if (choice.value == signo) return choice.word;
  }
  return "";
}

}  // namespace workmand
