// SqlQueue::With, for the two files that define SqlQueue.
#pragma once

#include "daemon/queue/drivers/sql_queue.h"

namespace workmand::sql {

template <typename Work>
auto SqlQueue::With(Work&& work) {
  if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": not connected");
  try {
    return work(*session_);
  } catch (const ConnectionLost&) {
    session_.reset();
    pending_ = Pending::kNothing;
    throw;
  }
}

}  // namespace workmand::sql
