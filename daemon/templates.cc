#include "daemon/templates.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <variant>

#include "daemon/base/log.h"
#include "daemon/worker_process.h"
#include "protocol/zygote.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

constexpr std::size_t kLine = std::size_t{64} * 1024;
constexpr std::size_t kQuoted = 200;

/// 128 bits that nobody can guess: who has them was forked by our template. The number before them
/// keeps the order of the requests.
std::string MakeToken(std::uint64_t number) {
  std::array<unsigned char, 16> bytes{};
  while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kWidth = 12;
  std::string token = std::to_string(number);
  token.insert(0, kWidth - std::min(kWidth, token.size()), '0');
  token += '-';
  for (const unsigned char byte : bytes) {
    token += kDigits[byte >> 4U];
    token += kDigits[byte & 15U];
  }
  return token;
}

std::string NameOf(const Profile& profile) {
  return profile.name + "-template";
}

}  // namespace

struct Templates::Template {
  Template(io::Loop& loop, const Request& request)
      : generation(request.generation),
        profile(request.profile),
        name(NameOf(*profile)),
        spawned_at(loop.Now()) {}

  enum class Stage { kLoading, kReady, kLeaving, kAborting, kKilling };
  Generation generation;
  std::shared_ptr<const Profile> profile;
  std::string name;
  TimePoint spawned_at;
  Stage stage = Stage::kLoading;
  std::unique_ptr<io::Child> child;
  proto::LineReader out{kLine};
  proto::LineReader err{kStderrLine};
  LineBudget budget;
  std::string last_words;
  std::string why;  ///< it is ended; empty = it is not
  Failure failure;  ///< what it is ended for, when that is its own doing
  std::unique_ptr<io::Timer> timer;

  [[nodiscard]] bool Leaves() const { return stage > Stage::kReady; }
};

Templates::Templates(io::Loop& loop, Events events) : loop_(loop), events_(std::move(events)) {}

Templates::~Templates() {
  server_.reset();
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

Templates::Template* Templates::Find(Generation generation) {
  const auto it = std::find_if(templates_.begin(), templates_.end(), [&](const auto& one) {
    return one->generation == generation && !one->Leaves();
  });
  return it == templates_.end() ? nullptr : it->get();
}

Result<void> Templates::Fork(const Request& request) {
  if (auto listening = Listen(*request.profile); !listening) return listening;
  Template* of = Find(request.generation);
  if (of == nullptr) {
    auto started = Start(request);
    if (!started) return tl::unexpected(started.error());
    of = *started;
  }
  const auto [place, added] =
      awaited_.emplace(MakeToken(request.ticket.serial), Awaited{request, of, {}});
  if (of->stage == Template::Stage::kReady) SendFork(*of, place->first, place->second);
  return {};
}

/// Beside the control socket, which is locked. Workers of another user get a folder that they can
/// enter; a token is needed all the same.
Result<void> Templates::Listen(const Profile& profile) {
  const bool for_all = !profile.user.empty() || !profile.group.empty();
  if (server_ != nullptr && (for_all_ || !for_all)) return {};
  std::string path = profile.admin.socket + ".fork";
  if (for_all) {
    std::string folder = "/tmp/workman-fork-XXXXXX";
    constexpr mode_t kEnter = 0711;
    if (::mkdtemp(folder.data()) == nullptr || ::chmod(folder.c_str(), kEnter) != 0) {
      return Fail(ErrorCode::kSystem, "cannot make a folder in /tmp for the socket of preload");
    }
    folder_ = folder;
    path = folder + "/socket";
  }
  auto server = io::AttachServer::Listen(
      loop_, path, for_all, [this](io::AttachServer::Peer peer) { OnPeer(std::move(peer)); });
  if (!server) return tl::unexpected(server.error());
  server_ = std::move(*server);
  for_all_ = for_all;
  return {};
}

Result<Templates::Template*> Templates::Start(const Request& request) {
  auto made = std::make_unique<Template>(loop_, request);
  Template& of = *made;
  io::ChildEvents events{[this, &of](std::string_view bytes) { OnStdout(of, bytes); },
                         {},
                         [this, &of](std::string_view bytes) { OnStderr(of, bytes); },
                         {},
                         [this, &of](const io::ExitStatus& status) { OnGone(of, status); }};
  auto child = io::Child::Spawn(loop_, events_.make_spec(*of.profile, of.name, of.generation),
                                std::move(events));
  if (!child) return tl::unexpected(child.error());
  of.child = std::move(*child);
  of.child->Write(events_.make_hello(*of.profile, of.name, of.generation));
  of.child->Flush();
  of.timer = std::make_unique<io::Timer>(loop_, [this, &of] { OnTimer(of); });
  of.timer->Set(After(loop_.Now(), of.profile->start_timeout));
  log::Info("template spawned",
            {{"template", of.name}, {"pid", of.child->pid()}, {"generation", of.generation.value}});
  templates_.push_back(std::move(made));
  return &of;
}

void Templates::SendFork(Template& of, const std::string& token, const Awaited& awaited) {
  const bool err = of.profile->stderr_mode == StderrMode::kLog;
  proto::AppendFork(of.child->buffer(), {awaited.request.worker, token, server_->path(), err});
  of.child->Flush();
}

void Templates::Cancel(Ticket ticket) {
  std::erase_if(awaited_, [&](const auto& one) { return one.second.request.ticket == ticket; });
}

void Templates::OnPeer(io::AttachServer::Peer peer) {
  const auto attach = proto::ReadAttach(peer.line);
  const auto it = attach ? awaited_.find(attach->token) : awaited_.end();
  if (it == awaited_.end()) {
    log::Debug("fork turned away", {{"pid", peer.pid}});
    return;
  }
  if (attach->err) {
    it->second.err = std::move(peer.socket);
    return;
  }
  auto node = awaited_.extract(it);
  Awaited& awaited = node.mapped();
  events_.on_worker(awaited.request.ticket,
                    {peer.pid, std::move(peer.socket), std::move(awaited.err)});
}

void Templates::OnStdout(Template& of, std::string_view bytes) {
  of.out.Feed(bytes, [&](const proto::Line& line) {
    OnLine(of, line);
    return true;
  });
}

void Templates::OnLine(Template& of, const proto::Line& line) {
  if (const auto exited = proto::ReadExited(line.text)) {
    auto node = awaited_.extract(exited->token);
    if (node.empty()) return;
    const std::string why = "its template could not fork it: " + exited->why;
    return events_.on_failed(node.mapped().request.ticket, {{}, why, of.last_words, false, false});
  }
  const proto::Decoded decoded = proto::Decode(line.text);
  if (const auto* message = std::get_if<proto::FromWorker>(&decoded)) {
    if (const auto* ready = std::get_if<proto::Ready>(message)) return OnReady(of, *ready);
    if (const auto* entry = std::get_if<proto::Log>(message)) {
      return Print(of, "log", entry->message);
    }
  }
  if (const auto* bad = std::get_if<proto::Malformed>(&decoded); bad != nullptr) {
    of.failure = {{}, std::string(bad->type) + " of the template: " + bad->why, {}, true, false};
    return End(of, of.failure.why);
  }
  Print(of, "stdout", line.text);
}

void Templates::OnReady(Template& of, const proto::Ready& ready) {
  if (of.stage != Template::Stage::kLoading) return;
  if (!ready.zygote) {
    of.failure = {{},
                  "preload: the worker cannot be forked (its ready has no \"zygote\":true); use a "
                  "library that can, or preload: false",
                  {},
                  true,
                  false};
    return End(of, of.failure.why);
  }
  of.stage = Template::Stage::kReady;
  of.timer->Stop();
  const auto took = std::chrono::duration_cast<Duration>(loop_.Now() - of.spawned_at);
  log::Info("template ready", {{"template", of.name},
                               {"pid", of.child->pid()},
                               {"generation", of.generation.value},
                               {"load_ms", took.count()}});
  for (const auto& [token, awaited] : awaited_) {
    if (awaited.of == &of) SendFork(of, token, awaited);
  }
}

void Templates::OnStderr(Template& of, std::string_view bytes) {
  KeepTail(of.last_words, bytes);
  of.err.Feed(bytes, [&](const proto::Line& line) {
    Print(of, "stderr", line.text);
    return true;
  });
}

void Templates::Print(Template& of, std::string_view stream, std::string_view text) {
  if (!of.budget.Take(loop_.Now())) return;
  log::Info("template output",
            {{"template", of.name}, {"stream", stream}, {"line", text.substr(0, kQuoted)}});
}

void Templates::KeepOnly(const std::function<bool(Generation)>& used) {
  for (const auto& one : templates_) {
    if (!one->Leaves() && !used(one->generation)) End(*one, "no longer needed");
  }
}

void Templates::Stop(int step) {
  for (const auto& one : templates_) {
    if (!one->Leaves()) End(*one, "stop");
    if (step >= 2 && one->stage == Template::Stage::kLeaving) End(*one, "stop");
    if (step >= 3 && one->stage == Template::Stage::kAborting) End(*one, "stop");
  }
}

void Templates::OnTimer(Template& of) {
  if (of.stage == Template::Stage::kLoading) {
    of.failure = {{}, "the template was not ready within start_timeout", {}, false, false};
    return End(of, of.failure.why);
  }
  End(of, of.why);
}

void Templates::End(Template& of, std::string_view why) {
  using Stage = Template::Stage;
  if (of.why.empty()) of.why = why;
  Duration patience = of.profile->exit_grace;
  switch (of.stage) {
    case Stage::kLoading:
    case Stage::kReady:
      of.stage = Stage::kLeaving;
      of.child->CloseStdin();
      break;
    case Stage::kLeaving:
      of.stage = Stage::kAborting;
      Signal(of, SIGABRT, "SIGABRT");
      patience = of.profile->abort_timeout;
      break;
    case Stage::kAborting:
      of.stage = Stage::kKilling;
      Signal(of, SIGKILL, "SIGKILL");
      [[fallthrough]];
    case Stage::kKilling: return of.timer->Stop();
  }
  of.timer->Set(After(loop_.Now(), patience));
}

void Templates::Signal(Template& of, int signo, std::string_view name) {
  log::Warn("template signalled", {{"template", of.name}, {"signal", name}, {"why", of.why}});
  if (signo == SIGKILL) {
    of.child->SignalGroup(signo);
  } else {
    of.child->Signal(signo);
  }
}

void Templates::OnGone(Template& of, const io::ExitStatus& status) {
  if (const auto rest = of.err.Finish()) Print(of, "stderr", rest->text);
  log::Write(of.why.empty() || !of.failure.why.empty() ? log::Level::kWarn : log::Level::kInfo,
             "template gone",
             {{"template", of.name},
              {"pid", of.child->pid()},
              {"status", status.ToString()},
              {"reason", of.why.empty() ? "unasked" : of.why}});
  Failure failure = of.failure;
  if (failure.why.empty()) {
    failure.status = status;
    failure.why = "its template ended before it was forked: " + status.ToString();
  }
  failure.last_words = of.last_words;
  FailAwaited(of, failure);
  std::erase_if(templates_, [&](const auto& one) { return one.get() == &of; });
  if (templates_.empty()) events_.on_none();
}

void Templates::FailAwaited(const Template& of, Failure failure) {
  std::vector<Ticket> tickets;
  std::erase_if(awaited_, [&](const auto& one) {
    if (one.second.of != &of) return false;
    tickets.push_back(one.second.request.ticket);
    return true;
  });
  for (const Ticket& ticket : tickets) {
    events_.on_failed(ticket, failure);
    failure.counted = true;
  }
}

}  // namespace workmand
