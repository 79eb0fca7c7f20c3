#include "daemon/io/orphans.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <utility>

namespace workmand::io {
namespace {

/// The processes that libuv watches. It stops watching one in the moment it reaps it.
std::vector<pid_t> WatchedChildren(uv_loop_t* loop) {
  std::vector<pid_t> pids;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* found) {
        if (handle->type != UV_PROCESS || uv_is_active(handle) == 0) return;
        static_cast<std::vector<pid_t>*>(found)->push_back(
            reinterpret_cast<uv_process_t*>(handle)->pid);
      },
      &pids);
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

std::vector<pid_t> ListChildren() {
  std::vector<pid_t> children;
  std::error_code error;
  // A child belongs to the thread that has started it, an adopted one to any.
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream list(thread.path() / "children");
    for (pid_t pid = 0; list >> pid;) children.push_back(pid);
  }
  return children;
}

OrphanReaper::OrphanReaper(Loop& loop, Reaped on_reaped)
    : loop_(loop),
      on_reaped_(std::move(on_reaped)),
      child_ended_(loop, {SIGCHLD}, [this](int) { Reap(); }) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  Reap();
}

OrphanReaper::~OrphanReaper() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

void OrphanReaper::Reap() {
  const std::vector<pid_t> ours = WatchedChildren(loop_.get());
  for (const pid_t pid : ListChildren()) {
    int how = 0;
    if (std::binary_search(ours.begin(), ours.end(), pid)) continue;
    if (loop_.waited_for().contains(pid)) continue;
    if (::waitpid(pid, &how, WNOHANG) != pid) continue;
    ExitStatus status;
    if (WIFSIGNALED(how)) {
      status.signal = WTERMSIG(how);
    } else {
      status.code = WEXITSTATUS(how);
    }
    on_reaped_(pid, status);
  }
}

}  // namespace workmand::io
