// The templates of `preload: true`: processes that load a worker's code once and are forked for
// every worker, so that workers share that memory and are ready at once. One of each generation
// that needs one; the forked workers are children of ours (double fork, OrphanReaper) and no longer
// theirs. Driven by the supervisor on the loop thread; it knows no jobs and decides nothing about
// workers.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"
#include "daemon/core/flood.h"
#include "daemon/io/attach.h"
#include "daemon/io/child.h"
#include "daemon/io/loop.h"
#include "daemon/profile/profile.h"
#include "protocol/decode.h"
#include "protocol/line_reader.h"

namespace workmand {

class Templates {
 public:
  /// A worker that is to be forked: its slot, and the number of its process there.
  struct Ticket {
    SlotId slot;
    std::uint64_t serial = 0;
    friend auto operator<=>(const Ticket&, const Ticket&) = default;
  };
  struct Request {
    Ticket ticket;
    std::string worker;  ///< its name
    Generation generation;
    std::shared_ptr<const Profile> profile;  ///< of the generation
  };
  /// Why a worker will not come.
  struct Failure {
    io::ExitStatus status;   ///< of its template, where that has ended
    std::string why;         ///< a sentence
    std::string last_words;  ///< the end of the template's stderr
    bool unusable = false;   ///< no worker can ever come with this profile
    bool counted = false;    ///< another one was told of the same end
  };
  /// All but `make_spec` come from the loop, never from within a call to this object.
  struct Events {
    /// How to start the template of this name.
    std::function<io::ChildSpec(const Profile&, const std::string&, Generation)> make_spec;
    /// Its greeting, a line with LF.
    std::function<std::string(const Profile&, const std::string&, Generation)> make_hello;
    std::function<void(Ticket, io::AdoptedChild)> on_worker;
    std::function<void(Ticket, const Failure&)> on_failed;
    /// The last template has gone.
    std::function<void()> on_none;
  };

  Templates(io::Loop& loop, Events events);
  ~Templates();
  Templates(const Templates&) = delete;
  Templates& operator=(const Templates&) = delete;

  /// Has a worker forked, by the template of its generation, which is started when there is none.
  /// Either on_worker or on_failed follows, unless the request is cancelled. Errors: the template,
  /// or the socket to which workers connect, cannot be had.
  [[nodiscard]] Result<void> Fork(const Request& request);
  /// Nobody waits for this one any more; when it connects it is turned away, and ends.
  void Cancel(Ticket ticket);
  /// Ends the templates of generations that are not `used`.
  void KeepOnly(const std::function<bool(Generation)>& used);
  /// Ends all. `step` as in Core::Stop: 1 in their own time, 2 by SIGABRT, 3 by SIGKILL.
  void Stop(int step);
  [[nodiscard]] bool empty() const { return templates_.empty(); }

 private:
  struct Template;
  struct Awaited {
    Request request;
    Template* of = nullptr;
    io::UniqueFd err;  ///< its stderr has connected, it itself not yet
  };

  Template* Find(Generation generation);
  [[nodiscard]] Result<Template*> Start(const Request& request);
  [[nodiscard]] Result<void> Listen(const Profile& profile);
  void SendFork(Template& of, const std::string& token, const Awaited& awaited);
  void OnPeer(io::AttachServer::Peer peer);
  void OnStdout(Template& of, std::string_view bytes);
  void OnLine(Template& of, const workman::protocol::Line& line);
  void OnReady(Template& of, const workman::protocol::Ready& ready);
  void OnStderr(Template& of, std::string_view bytes);
  void Print(Template& of, std::string_view stream, std::string_view text);
  void OnTimer(Template& of);
  void OnGone(Template& of, const io::ExitStatus& status);
  /// One step further towards its end.
  void End(Template& of, std::string_view why);
  void Signal(Template& of, int signo, std::string_view name);
  void FailAwaited(const Template& of, Failure failure);

  io::Loop& loop_;
  Events events_;
  std::vector<std::unique_ptr<Template>> templates_;
  std::unique_ptr<io::AttachServer> server_;
  std::string folder_;  ///< of the socket, when it was made for it
  bool for_all_ = false;
  std::map<std::string, Awaited> awaited_;  ///< by token
};

}  // namespace workmand
