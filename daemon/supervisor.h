// Wires the rooms: events of io, queue and admin go to core, and core's actions are carried out
// here. The one place that logs transitions. Lives on the loop thread. Split by verb over
// supervisor*.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/admin/verbs.h"
#include "daemon/base/log.h"
#include "daemon/base/result.h"
#include "daemon/core/core.h"
#include "daemon/core/intake.h"
#include "daemon/io/local_socket.h"
#include "daemon/io/loop.h"
#include "daemon/io/notify.h"
#include "daemon/io/orphans.h"
#include "daemon/modes/framing.h"
#include "daemon/modes/payload.h"
#include "daemon/profile/load.h"
#include "daemon/queue/pump.h"
#include "daemon/queue/registry.h"
#include "daemon/supervisor_notify.h"
#include "daemon/templates.h"
#include "daemon/worker_process.h"
#include "protocol/decode.h"

namespace workmand {

struct SupervisorOptions {
  std::string profile_path;
  LoadOptions load;  ///< for reloads: the same overrides as at the start
  std::string launcher;
  std::uint64_t soft_file_limit = 0;  ///< what workers get back
  io::NotifySettings notify;
  /// --log-level and --log-format stand above the profile's, also after a reload.
  std::optional<log::Level> log_level;
  std::optional<log::Format> log_format;
};

class Supervisor {
 public:
  /// `profile` is good. Errors: the control socket is taken, the queue's driver cannot be opened.
  [[nodiscard]] static Result<std::unique_ptr<Supervisor>> Start(io::Loop& loop, Profile profile,
                                                                 SupervisorOptions options);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Runs until the stop is through. The exit status of the daemon: 0 when nothing is left running
  /// and every job was settled or given back, else 1.
  int Run();

 private:
  using ConnectionId = io::ConnectionId;

  Supervisor(io::Loop& loop, Profile profile, SupervisorOptions options);
  [[nodiscard]] Result<void> Open();

  // supervisor.cc: turns and actions.
  void OnTurnEnd();
  void FlushDirty();
  void OnTimer();
  void Execute();
  void Do(const action::Spawn& spawn);
  void Do(const action::SendJob& send);
  void Do(const action::SendNotice& notice);
  void Do(const action::SendCancel& cancel);
  void Do(const action::CloseStdin& close);
  void Do(const action::SendSignal& signal);
  void Do(const action::JobEnded& ended);
  void Do(const action::JobSlow& slow);
  void Do(const action::WorkerEnded& ended);
  void Do(const action::WorkerStopping& stopping);
  void Do(const action::Subscribe& subscribe);
  void Do(const action::PoolEvent& event);
  void OnQueue();
  void OnApplied(const AppliedUpdate& applied);
  void Refail(Token token);
  [[nodiscard]] bool RaiseGrant();
  void PostUpdates();
  void OnStopped();
  WorkerProcess* Find(SlotId slot);
  std::string NameOf(SlotId slot) const;
  [[nodiscard]] std::int64_t EpochMs();
  void MarkDirty(WorkerProcess& worker);

  // supervisor_spawn.cc: processes begin and end.
  [[nodiscard]] io::ChildEvents EventsOf(WorkerProcess& worker);
  [[nodiscard]] io::ChildSpec MakeSpec(const Profile& profile, const std::string& worker,
                                       Generation generation) const;
  enum class Greeting : std::uint8_t { kWorker, kTemplate };
  [[nodiscard]] static std::string MakeHello(const Profile& profile, const std::string& worker,
                                             Generation generation, int max_jobs,
                                             Greeting greeting);
  void WriteHello(WorkerProcess& worker, const Slot& slot);
  void OnGone(SlotId id, const io::ExitStatus& status);
  void OnStdoutEof(WorkerProcess& worker);
  void OnWriteError(WorkerProcess& worker, int error);
  void WatchWrites(WorkerProcess& worker);
  void OnWriteTimeout(WorkerProcess& worker);
  void MarkUndelivered(WorkerProcess& worker);
  void NoteEnd(WorkerProcess& worker, const Slot& slot, const Exit& exit);

  void EndLife(SlotId id, const Exit& exit);

  // supervisor_preload.cc: workers that a template forks.
  void OrderFork(WorkerProcess& worker, const Slot& slot);
  WorkerProcess* FindAwaited(Templates::Ticket ticket);
  void OnForked(Templates::Ticket ticket, io::AdoptedChild process);
  void OnForkFailed(Templates::Ticket ticket, const Templates::Failure& failure);
  /// Ends the templates that nobody needs any more.
  void ReviewTemplates();
  /// Whether the daemon must wait for a template to end; OnStopped is called again then.
  [[nodiscard]] bool AwaitsTemplates();

  // supervisor_exec.cc: a process for each job. Such a worker is there without a process while it
  // is idle.
  /// Announces what the profile says that its programs can do.
  void OnAnnounced(WorkerProcess& worker);
  void OpenSlot(SlotId slot);
  /// Ends a worker that has no process: of mode exec, or not forked yet; nothing to any other.
  void CloseSlot(SlotId slot);
  void FailUnfit(SlotId slot, DeliveryId id, const Unfit& unfit);
  void RunProgram(WorkerProcess& worker, const Delivery& delivery);
  [[nodiscard]] io::ChildSpec MakeProgramSpec(const WorkerProcess& worker,
                                              const Delivery& delivery) const;
  void OnProgramOutput(WorkerProcess& worker, std::string_view bytes);
  void OnControlLine(WorkerProcess& worker, const workman::protocol::Line& line);
  void OnProgramGone(SlotId id, const io::ExitStatus& status);
  void SettleProgram(WorkerProcess& worker, const io::ExitStatus& status);

  // supervisor_filter.cc: one message in, one message out.
  void PrepareFilter(WorkerProcess& worker, io::ChildEvents& events);
  void SendToFilter(WorkerProcess& worker, const Delivery& delivery);
  void OnFrame(WorkerProcess& worker, const Frame& frame);
  void EndInputOfFilter(WorkerProcess& worker, const action::SendCancel& cancel);
  [[nodiscard]] std::string NoteOfEnd(const WorkerProcess& worker);

  // supervisor_output.cc: what workers say to people.
  void OnStderr(WorkerProcess& worker, std::string_view bytes);
  void OnStderrLine(WorkerProcess& worker, std::string_view text);
  void OnForeign(WorkerProcess& worker, std::string_view line);
  void OnWorkerLog(WorkerProcess& worker, const workman::protocol::Log& entry);
  /// Whether one more line may go to the log now. One that may not is counted in `dropped`.
  bool Admit(WorkerProcess& worker, LineBudget& budget, std::uint64_t& dropped);
  /// Says in the log how much did not get there.
  void ReportDropped(WorkerProcess& worker);

  // supervisor_lines.cc: what workers say to us.
  static constexpr int kAllLines = 0;
  void OnStdout(WorkerProcess& worker, std::string_view bytes);
  /// Takes lines until `most` are taken (kAllLines: all), or reading is to pause; returns the rest.
  std::string_view ReadLines(WorkerProcess& worker, std::string_view bytes, int most);
  void AfterReading(WorkerProcess& worker);
  void PassOn(WorkerProcess& worker);
  void OnBacklog();
  /// Its end: everything that came, down to a last line without a line feed.
  void ReadRest(WorkerProcess& worker);
  void OnLine(WorkerProcess& worker, const workman::protocol::Line& line);
  void OnMessage(WorkerProcess& worker, const workman::protocol::FromWorker& message,
                 std::string_view line);
  void OnReady(WorkerProcess& worker, const workman::protocol::Ready& ready, std::string_view line);
  void OnOutcome(WorkerProcess& worker, std::string_view id, OutcomeReport& report,
                 std::string_view enqueue, std::string_view line);
  std::string JobOf(const WorkerProcess& worker);

  // supervisor_violations.cc: what they should not say. Codes and weights: docs/protocol.md.
  static constexpr std::size_t kQuoted = 200;  ///< bytes of an offending line in the log
  void OnMalformed(WorkerProcess& worker, const workman::protocol::Malformed& bad,
                   std::string_view line);
  void OnGarbage(WorkerProcess& worker, std::string_view line, bool like_object,
                 std::string_view why);
  void OnOverflow(WorkerProcess& worker, std::string_view kept);
  void UnknownJob(WorkerProcess& worker, std::string_view what, std::string_view line);
  void FailForGood(WorkerProcess& worker, std::string_view id, std::string_view code,
                   std::string_view why);
  /// Useless output of a worker; too much of it is V18.
  void CountNoise(WorkerProcess& worker, std::size_t bytes, std::size_t lines,
                  std::string_view line);
  enum class Weight : std::uint8_t { kCounted, kScored, kSevere };
  void Violate(WorkerProcess& worker, std::string_view code, std::string_view why,
               std::string_view line, Weight weight);
  void CountViolation(std::string_view code, std::vector<log::Field> fields);

  // supervisor_data.cc: what running jobs say of themselves, and the brake when it is too much.
  void OnProgress(WorkerProcess& worker, const workman::protocol::Progress& progress,
                  std::string_view line);
  void OnData(WorkerProcess& worker, const workman::protocol::Data& data, std::string_view line);
  /// The updates from `first` on are this worker's: they count until the queue has them.
  void TrackUpdates(WorkerProcess& worker, std::size_t first);
  void SetUnread(WorkerProcess& worker, bool unread);
  /// Reads on from workers that the queue has room for again.
  void ReadAgain();

  // supervisor_ping.cc: signs of life of idle workers.
  void StartPinging(WorkerProcess& worker);
  void OnPingTime();
  void OnPong(WorkerProcess& worker, const workman::protocol::Pong& pong, std::string_view line);

  // supervisor_jobs.cc: jobs that a worker asks for.
  void OnWorkerEnqueue(WorkerProcess& worker, const workman::protocol::EnqueueRequest& request,
                       std::string_view line);
  void RefuseEnqueue(WorkerProcess& worker, std::string_view ref, std::string_view why,
                     std::string_view line);
  void Reply(WorkerProcess& worker, std::string_view ref, bool ok, std::string_view why);

  // supervisor_admin.cc: the control socket.
  void OnRequest(ConnectionId connection, std::string_view line);
  void OnDisconnect(ConnectionId connection);
  void OnEnqueue(ConnectionId connection, EnqueueRequest request, bool notes);
  void OnProducer();
  void AnswerStatus();
  [[nodiscard]] Snapshot TakeSnapshot();
  [[nodiscard]] Result<Producer*> TheProducer();
  void DumpState();

  // supervisor_reload.cc: profiles and signals.
  void OnSignal(int signo);
  /// The generation that was started, or why not.
  [[nodiscard]] Result<Generation> Reload(std::string_view by);
  void FinishReload(Generation generation, bool ok, int draining, const std::string& why);
  void Stop(std::string_view by);
  void AdoptProfile(Generation generation);
  void Scale(int workers, std::string_view by);

  // supervisor_notify.cc: the service manager.
  void TellStatus();

  io::Loop& loop_;
  SupervisorOptions options_;
  ServiceManager service_;
  std::shared_ptr<const Profile> profile_;  ///< of the committed generation
  std::map<Generation, std::shared_ptr<const Profile>> profiles_;

  std::unique_ptr<io::LineServer> server_;
  std::unique_ptr<io::Async> queue_async_;
  std::unique_ptr<io::Async> producer_async_;
  std::unique_ptr<io::Timer> timer_;
  std::unique_ptr<io::Timer> status_timer_;
  std::unique_ptr<io::Timer> backlog_timer_;  ///< runs while read lines wait for their turn
  std::unique_ptr<io::Timer> ping_timer_;     ///< one for all workers, so that they share a wake-up
  std::unique_ptr<io::Signals> signals_;
  std::unique_ptr<io::OrphanReaper> orphans_;
  std::unique_ptr<Templates> templates_;  ///< made with the first worker that is to be forked
  std::unique_ptr<Pump> pump_;
  std::unique_ptr<Producer> producer_;  ///< opened with the first job that comes by the socket
  std::unique_ptr<Core> core_;
  DriverConfig driver_config_;  ///< of both instances
  Caps caps_;
  std::vector<std::unique_ptr<WorkerProcess>> workers_;  ///< by slot
  std::vector<SlotId> dirty_;
  /// What must call core again after the actions at hand are through.
  std::vector<std::function<void()>> deferred_;

  PumpBatch batch_;
  PumpState queue_state_;
  std::uint64_t received_ = 0;  ///< jobs that have come from the pump
  std::uint64_t granted_ = 0;
  std::int64_t epoch_ms_ = 0;
  TimePoint epoch_read_at_ = kNever;
  std::vector<Action> actions_;  ///< reused by Execute
  std::string text_scratch_;

  struct Waiting {
    ConnectionId connection = 0;  ///< 0 when it was a worker that asked
    bool wait = false;
    bool notes = false;
    std::string id;
    std::unique_ptr<io::Timer> timer;
    SlotId slot;
    std::uint32_t life = 0;
    std::string ref;
    std::string line;  ///< of the worker, the first kQuoted bytes
  };
  void AnswerWorker(const Waiting& waiting, bool ok, std::string_view why);
  std::map<std::uint64_t, Waiting> waiting_;  ///< requests to the producer
  std::uint64_t next_request_ = 1;
  std::vector<std::pair<ConnectionId, bool>> status_waiting_;  ///< second: workers only
  struct ReloadWaiter {
    ConnectionId connection;
    Generation generation;
  };
  std::vector<ReloadWaiter> reload_waiting_;
  std::map<std::string, std::uint64_t, std::less<>> violations_;  ///< per code
  DroppedSnapshot dropped_;
  Intake intake_;
  int unread_workers_ = 0;
  TimePoint next_ping_ = kNever;
  std::uint64_t last_serial_ = 0;  ///< of a worker process

  bool deadline_seen_ = false;  ///< the timer fired; what lay in the pipes is read first
  int stop_step_ = 0;
  bool stopped_ = false;  ///< but for a template that has not ended yet
  std::string degraded_because_;
  int exit_status_ = 0;
};

/// The bytes that a result is on the queue: text profiles carry characters, not JSON strings.
/// `scratch` keeps what is not the text of the line itself.
std::string_view ToQueueBytes(const workman::protocol::Payload& payload, PayloadKind kind,
                              std::string& scratch);

/// A process that some worker had left behind has ended.
void LogOrphan(int pid, const io::ExitStatus& status);
inline bool SpeaksProtocol(const WorkerProcess& worker) {
  return worker.profile->mode == Mode::kProtocol;
}
/// The signal of the abort rung, and what the log calls a rung.
int AbortSignalOf(const Profile& profile);
std::string_view RungName(Rung rung, int abort_signal);
/// Adds to an environment what stdbuf(1) would for line-buffered output.
void UnbufferOutput(std::map<std::string, std::string>& env);

/// What core needs of a profile.
Limits MakeLimits(const Profile& profile);

}  // namespace workmand
