// Celery's result backend in Redis, beside a broker that is another server: what is said of a task
// is kept for a day and told to those who wait. One thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/queue/drivers/redis_link.h"

namespace workmand::celery {

/// Adds the commands that keep the result of a task, as JSON, and tell it to those who wait.
void AddResult(std::vector<redis::Args>& commands, const std::string& id, std::string result);

class ResultStore {
 public:
  explicit ResultStore(redis::Address address) : address_(std::move(address)) {}

  /// Connects. Throws ConnectionLost, as Flush does.
  void Open();
  void Close() noexcept;
  /// Adds the result of a task, as JSON; kept once Flush has returned.
  void Add(const std::string& id, std::string result);
  /// A connection that was lost meanwhile, for it may have been idle, is made anew once.
  void Flush();

 private:
  void Send();

  redis::Address address_;
  redis::Link link_;
  std::vector<redis::Args> commands_;
};

}  // namespace workmand::celery
