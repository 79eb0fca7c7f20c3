#include "daemon/queue/drivers/celery_store.h"

#include <utility>

namespace workmand::celery {

void AddResult(std::vector<redis::Args>& commands, const std::string& id, std::string result) {
  constexpr const char* kSeconds = "86400";  // as long as Celery itself keeps it
  const std::string key = "celery-task-meta-" + id;
  commands.push_back({"SETEX", key, kSeconds, result});
  commands.push_back({"PUBLISH", key, std::move(result)});
}

void ResultStore::Open() {
  commands_.clear();
  link_.Open(address_);
}

void ResultStore::Close() noexcept {
  commands_.clear();
  link_.Close();
}

void ResultStore::Add(const std::string& id, std::string result) {
  AddResult(commands_, id, std::move(result));
}

void ResultStore::Send() {
  for (const redis::Args& command : commands_) link_.Send(command);
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    const redis::Reply reply = link_.Await();
    if (reply->type == REDIS_REPLY_ERROR) {
      throw ConnectionLost("result_backend " + address_.Name() + ": " +
                           std::string(redis::Text(reply.get())));
    }
  }
}

void ResultStore::Flush() {
  if (commands_.empty()) return;
  try {
    Send();
  } catch (const ConnectionLost&) {
    // Both commands may be given twice.
    link_.Open(address_);
    Send();
  }
  commands_.clear();
}

}  // namespace workmand::celery
