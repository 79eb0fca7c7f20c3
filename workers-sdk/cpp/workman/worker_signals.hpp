// What SIGTERM and SIGABRT do, in the main thread. Part of workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"

namespace workman {

inline void Worker::Signalled(int number) {
  drain_ = true;
  signals_.Wake();
  if (number == SIGABRT) Interrupt();
}

/// C++ cannot throw into another thread. The job is told and may notice; if it does not, on_abort
/// runs here beside it, and the process ends under it.
inline void Worker::Interrupt() {
  std::unique_lock lock(state_mutex_);
  if (state_ == State::kBooting || state_ == State::kLeaving) ::_exit(0);
  if (state_ != State::kRunning) return;
  state_ = State::kAborting;
  Job& job = *job_;
  const bool late = job.ends_ && Job::Clock::now() >= *job.ends_;
  job.Kill(late ? "timeout" : "shutdown");
  if (claimed_changed_.wait_for(lock, settle_, [this] { return claimed_; })) return;
  claimed_ = true;
  Task& task = *task_;
  lock.unlock();
  channel_.SendLast(Aborted(job, task), job.closed_);
  if (::ftrylockfile(stdout) == 0) ::fflush_unlocked(stdout);
  ::_exit(0);
}

/// In a child of a job, which is no worker.
inline void Worker::Forked() {
  child_ = true;
  channel_.Drop();
}

}  // namespace workman
