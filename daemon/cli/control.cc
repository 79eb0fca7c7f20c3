#include "daemon/cli/control.h"

#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/admin/client.h"
#include "daemon/cli/client_socket.h"
#include "daemon/cli/open_profile.h"
#include "daemon/cli/process.h"
#include "daemon/cli/tables.h"

namespace workmand::cli {
namespace {

/// A connection with its first request on the way, or what to exit with.
struct Call {
  std::optional<ClientSocket> socket;
  ExitCode failed = ExitCode::kFailed;
};

Call Connect(const std::string& profile_path) {
  const std::optional<Profile> profile = OpenProfile(profile_path);
  if (!profile) return {std::nullopt, ExitCode::kBadProfile};
  Result<ClientSocket> socket = ClientSocket::Connect(SocketPaths(*profile));
  if (socket) return {std::move(*socket), ExitCode::kOk};
  Complain(socket.error().message);
  return {};
}

/// Asks and waits for the reply; notes before it go to stderr.
Result<Answer> Ask(ClientSocket& socket, const Request& request) {
  if (auto sent = socket.Send(RenderRequest(request)); !sent) return tl::unexpected(sent.error());
  for (;;) {
    std::string line;
    if (socket.Read(line, kNever, nullptr) != ClientSocket::Heard::kLine) {
      return Fail(ErrorCode::kUnavailable, "the daemon has gone before it answered");
    }
    Result<Answer> answer = ParseAnswer(line);
    if (!answer) return answer;
    if (answer->is_note) {
      Complain(answer->note);
    } else if (answer->ok) {
      return answer;
    } else {
      return Fail(ErrorCode::kRefused, answer->error);
    }
  }
}

ExitCode Failed(const Error& error) {
  Complain(error.message);
  return ExitCode::kFailed;
}

/// Tables end in a line feed already.
ExitCode PrintText(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return PrintLine(text);
}

/// A verb whose reply says no more than that it was done.
ExitCode RunPlain(const std::string& profile, const Request& request, std::string_view done) {
  Call call = Connect(profile);
  if (!call.socket) return call.failed;
  const Result<Answer> answer = Ask(*call.socket, request);
  return answer ? PrintLine(done) : Failed(answer.error());
}

Request Plain(Verb verb) {
  Request request;
  request.verb = verb;
  return request;
}

}  // namespace

ExitCode RunStatus(const std::string& profile, bool as_json) {
  Call call = Connect(profile);
  if (!call.socket) return call.failed;
  const Result<Answer> answer = Ask(*call.socket, Plain(Verb::kStatus));
  if (!answer) return Failed(answer.error());
  if (as_json) return PrintLine(answer->status);
  const Result<Snapshot> snapshot = ReadSnapshot(answer->status);
  if (!snapshot) return Failed(snapshot.error());
  return PrintText(RenderStatusText(*snapshot, UptimeOf(call.socket->peer())));
}

ExitCode RunWorkers(const std::string& profile) {
  Call call = Connect(profile);
  if (!call.socket) return call.failed;
  const Result<Answer> answer = Ask(*call.socket, Plain(Verb::kWorkers));
  if (!answer) return Failed(answer.error());
  const Result<std::vector<WorkerSnapshot>> workers = ReadWorkers(answer->workers);
  return workers ? PrintText(RenderWorkerTable(*workers)) : Failed(workers.error());
}

ExitCode RunPause(const std::string& profile) {
  return RunPlain(profile, Plain(Verb::kPause), "paused: running jobs go on, no more are taken");
}

ExitCode RunResume(const std::string& profile) {
  return RunPlain(profile, Plain(Verb::kResume), "resumed");
}

ExitCode RunReload(const std::string& profile) {
  Call call = Connect(profile);
  if (!call.socket) return call.failed;
  Request request = Plain(Verb::kReload);
  request.notes = true;
  const Result<Answer> answer = Ask(*call.socket, request);
  if (!answer) return Failed(answer.error());
  return PrintLine("reloaded: generation " + std::to_string(answer->generation.value) + ", " +
                   std::to_string(answer->draining) + " still draining");
}

ExitCode RunStop(const std::string& profile) {
  Call call = Connect(profile);
  if (!call.socket) return call.failed;
  const ProcessHandle daemon(call.socket->peer());
  const Result<Answer> answer = Ask(*call.socket, Plain(Verb::kStop));
  if (!answer) return Failed(answer.error());
  // The socket closes as one of the last things; the process itself follows at once.
  std::string line;
  while (call.socket->Read(line, kNever, nullptr) == ClientSocket::Heard::kLine) {
  }
  constexpr Duration kAfterTheSocket{5'000};
  daemon.WaitForEnd(kAfterTheSocket);
  return PrintLine("stopped");
}

ExitCode RunScale(const std::string& profile, int workers) {
  Request request = Plain(Verb::kScale);
  request.n = workers;
  return RunPlain(profile, request,
                  "scaled to " + std::to_string(workers) + (workers == 1 ? " worker" : " workers") +
                      " until the next reload");
}

}  // namespace workmand::cli
