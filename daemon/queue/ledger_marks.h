// Which jobs a daemon has in hand, in a file that outlives its sudden death: so that the next one
// knows which deliveries had no outcome. Made for the job path: a mark is a store into mapped
// memory, no system call. Driven by the ledger, on the queue's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/queue/ledger_key.h"

namespace workmand {

class LedgerMarks {
 public:
  /// So many jobs can be marked at a time; those beyond are not.
  static constexpr std::uint32_t kSlots = 1U << 16U;
  static constexpr std::uint32_t kNone = kSlots;

  LedgerMarks() = default;
  /// Says in the file that the end was in order.
  ~LedgerMarks();
  LedgerMarks(const LedgerMarks&) = delete;
  LedgerMarks& operator=(const LedgerMarks&) = delete;

  /// Opens or makes the file (1 MiB), and locks it: kRefused when another daemon has it. `boot`
  /// names the present run of the machine. Afterwards `left` has what the last daemon had in hand.
  [[nodiscard]] Result<void> Open(const std::string& path, std::string_view boot);
  [[nodiscard]] bool is_open() const { return memory_ != nullptr; }
  [[nodiscard]] const std::vector<LedgerKey>& left() const { return left_; }
  /// `left` is dealt with: the marks are taken away.
  void Forget();
  /// The machine went down with the last daemon: a mark must reach the disk before its job runs.
  [[nodiscard]] bool machine_died() const { return machine_died_; }

  /// Returns where the mark stands, or kNone.
  std::uint32_t Set(const LedgerKey& key);
  void Clear(std::uint32_t slot);
  /// Waits for the disk.
  void Sync();

 private:
  struct File;
  File* memory_ = nullptr;
  int fd_ = -1;
  bool machine_died_ = false;
  std::vector<LedgerKey> left_;
  std::vector<std::uint32_t> free_;
  std::uint32_t unused_ = 0;  ///< no slot from here on was ever used
};

}  // namespace workmand
