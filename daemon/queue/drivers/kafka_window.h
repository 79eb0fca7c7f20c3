// What a consumer knows of one partition: which records have ended, in whatever order, and so how
// far the group may be told that it has come. Kafka keeps one number for a group, the offset before
// which all has ended, and beside it a text of up to 4 KiB that means nothing to it. That text
// names the records behind the number that have ended too, so that one slow job neither holds up
// others nor lets them run twice after it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace workmand::kafka {

class Window {
 public:
  /// What may be committed: brokers take 4,096 bytes of text (offset.metadata.max.bytes).
  static constexpr std::size_t kMostText = 4'000;

  struct Position {
    std::int64_t offset = 0;  ///< all before it has ended
    std::string text;         ///< what has ended behind it; see Text
  };

  /// Starts at what was committed. A text that another program wrote counts as none.
  void Restore(std::int64_t offset, std::string_view text);
  /// Starts at a record, where nothing was committed.
  void Start(std::int64_t offset) { Restore(offset, {}); }

  /// A record has come. False: it has ended already, and comes again. What lies between it and the
  /// highest that came before has never been, or no longer is: it counts as ended.
  [[nodiscard]] bool See(std::int64_t offset);
  /// The job of a record has ended.
  void End(std::int64_t offset);
  [[nodiscard]] bool HasEnded(std::int64_t offset) const;

  [[nodiscard]] Position Now() const;
  /// Whether so much has ended out of order that the text is about to be too long: then no more may
  /// be read before something ends.
  [[nodiscard]] bool IsFull() const { return ended_.size() >= kMostRuns; }

 private:
  /// Two numbers of up to six characters for each run, with their commas.
  static constexpr std::size_t kMostRuns = kMostText / 14;

  void Add(std::int64_t from, std::int64_t to);

  std::int64_t base_ = 0;                       ///< all before it has ended
  std::int64_t next_ = 0;                       ///< behind the highest that came
  std::map<std::int64_t, std::int64_t> ended_;  ///< runs behind base_: first -> behind the last
};

}  // namespace workmand::kafka
