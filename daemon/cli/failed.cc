#include "daemon/cli/failed.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/cli/letters.h"
#include "daemon/cli/live_queue.h"
#include "daemon/cli/open_profile.h"

namespace workmand::cli {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// Opens the queue whose dead letters these are. The error is a sentence.
Result<std::unique_ptr<Queue>> OpenLetters(const Profile& profile) {
  const std::string& name = profile.queue.driver;
  const Result<DriverInfo> driver = FindDriver(name);
  if (!driver) return tl::unexpected(driver.error());
  if (driver->local) {
    return Fail(ErrorCode::kRefused, "the dead letters of a " + name +
                                         " queue live in its daemon and end with it; no command "
                                         "reaches them");
  }
  if (driver->caps.Has(Cap::kDeadLetter)) return ConnectQueue(profile);
  // They are in the daemon's ledger: the server is asked only to take one again.
  return OpenQueue(MakeDriverConfig(profile), Role::kProducer);
}

/// Opens profile and queue, calls `work` and disconnects; complains about whatever went wrong.
ExitCode WithLetters(const std::string& profile_path,
                     const std::function<ExitCode(Queue&, const Profile&)>& work) {
  const std::optional<Profile> profile = OpenProfile(profile_path);
  if (!profile) return ExitCode::kBadProfile;
  const Result<std::unique_ptr<Queue>> queue = OpenLetters(*profile);
  if (!queue) {
    Complain(queue.error().message);
    return ExitCode::kFailed;
  }
  ExitCode code = ExitCode::kFailed;
  try {
    code = work(**queue, *profile);
  } catch (const std::exception& error) {
    Complain(std::string("the queue has gone: ") + error.what());
  }
  (*queue)->Disconnect();
  return code;
}

/// A table or a letter ends in a line feed already.
ExitCode PrintText(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return PrintLine(text);
}

ExitCode NoSuchLetter(const std::string& id) {
  Complain("no dead letter has the id " + id);
  return ExitCode::kFailed;
}

/// Calls `change` for each chosen letter; `done` says what became of those for which it was true.
ExitCode Change(Queue& queue, const LetterChoice& choice, std::string_view done,
                const std::function<bool(const std::string&)>& change) {
  std::vector<std::string> ids = choice.ids;
  if (choice.all) {
    // Listed once, for a job that is retried may fail again before the last one has its turn.
    for (DeadLetter& letter : queue.DeadLetters(kAll)) ids.push_back(std::move(letter.id));
    // The oldest first: they go back in the order in which they came.
    std::reverse(ids.begin(), ids.end());
  }
  ExitCode code = ExitCode::kOk;
  std::size_t count = 0;
  for (const std::string& id : ids) {
    try {
      if (change(id)) {
        ++count;
      } else {
        code = NoSuchLetter(id);
      }
    } catch (const Rejected& refusal) {
      Complain(refusal.what());
      code = ExitCode::kFailed;
    }
  }
  const ExitCode printed = PrintLine(std::to_string(count) + " " + std::string(done));
  return printed == ExitCode::kOk ? code : printed;
}

}  // namespace

ExitCode RunFailedList(const std::string& profile, bool as_json) {
  return WithLetters(profile, [as_json](Queue& queue, const Profile&) {
    const std::vector<DeadLetter> letters = queue.DeadLetters(kAll);
    if (!as_json) return PrintText(RenderLetterTable(letters));
    ExitCode code = ExitCode::kOk;
    for (const DeadLetter& letter : letters) {
      code = PrintLine(RenderLetterJson(letter));
      if (code != ExitCode::kOk) break;
    }
    return code;
  });
}

ExitCode RunFailedShow(const std::string& profile, const std::string& id, bool as_json) {
  return WithLetters(profile, [&](Queue& queue, const Profile& settings) {
    const std::vector<DeadLetter> letters = queue.DeadLetters(kAll);
    const auto found =
        std::ranges::find_if(letters, [&](const DeadLetter& letter) { return letter.id == id; });
    if (found == letters.end()) return NoSuchLetter(id);
    if (as_json) return PrintLine(RenderLetterJson(*found, settings.payload));
    return PrintText(RenderLetter(*found));
  });
}

ExitCode RunFailedRetry(const std::string& profile, const LetterChoice& choice) {
  return WithLetters(profile, [&](Queue& queue, const Profile&) {
    return Change(queue, choice, "back on the queue",
                  [&queue](const std::string& id) { return queue.RetryDead(id); });
  });
}

ExitCode RunFailedDrop(const std::string& profile, const LetterChoice& choice) {
  return WithLetters(profile, [&](Queue& queue, const Profile&) {
    return Change(queue, choice, "dropped",
                  [&queue](const std::string& id) { return queue.DropDead(id); });
  });
}

}  // namespace workmand::cli
