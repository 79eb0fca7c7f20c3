// What Resque and Sidekiq have in common: jobs are JSON objects in lists, with a class and an array
// of arguments, and two programs of one queue may be theirs and ours. The class is the task, and
// the arguments are the payload, byte for byte. What they have no place for stands in a member
// "workman", which they ignore.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/queue/drivers/element_text.h"
#include "daemon/queue/drivers/redis_dialect.h"
#include "daemon/queue/registry.h"

namespace workmand::redis {

using element::ErrorWords;
using element::MemberText;
using element::Quoted;
using element::ReadError;
using element::ToArguments;
using element::ToPayload;

/// What we keep in an element; everything is optional.
struct Meta {
  std::string id;
  std::string unique;
  int ends = 0;
  int seen = 0;
  int max = 0;
  int whole = 0;  ///< how the payload became the arguments (element::ToArguments)
};

/// `body`, a JSON object, with the meta as its last member, in the form that the scripts expect.
[[nodiscard]] std::string WithMeta(std::string_view body, const Meta& meta);
/// `element` without our member.
[[nodiscard]] std::string WithoutMeta(std::string_view element, Meta& meta);
/// `body` with these members, `value` being JSON; they replace those of the same name.
[[nodiscard]] std::string WithMembers(
    std::string_view body, const std::vector<std::pair<std::string, std::string>>& members);
/// `body` without the member `name`.
[[nodiscard]] std::string Without(std::string_view body, std::string_view name);
/// The meta of a job that is held, as it was handed out.
[[nodiscard]] Meta MetaOf(const Hold& hold);

/// How one instance of a list driver is set up.
struct ListOptions {
  std::string root;                 ///< before the clients' own keys: "resque:", or empty
  std::vector<std::string> queues;  ///< in order of priority; new jobs go to the first
  bool consumer = false;
};

class Lists : public Dialect {
 public:
  /// `stem`: before the keys of ours, after the root.
  Lists(std::string style, std::string_view stem, ListOptions options);

  [[nodiscard]] const std::string& stem() const override { return stem_; }
  [[nodiscard]] Args Head() const override { return {stem_, style_, options_.root}; }
  [[nodiscard]] ScriptTexts Texts() const override;
  [[nodiscard]] std::string WhyRefused(const Enqueue& job) const override;
  void AddPut(Args& words, const Enqueue& job, const std::string& id,
              const std::string& producer) const override;
  void AddFetch(Args& words, const Caller& caller, const FetchOrder& order) const override;
  [[nodiscard]] Hold Read(const redisReply* row, std::string& broken) const override;
  bool AddSettle(Args& words, const Hold& hold, const Update& update,
                 const Caller& caller) const override;
  [[nodiscard]] std::string PlaceOfDone(const Hold& hold) const override;
  void AddDone(Args& words, const Hold& hold, const Update& update,
               const Caller& caller) const override;
  void Tick(Server& server, const Caller& caller) override;
  std::optional<std::uint64_t> Size(Server& /*server*/, std::string_view /*task*/) override {
    return std::nullopt;
  }
  std::optional<std::int64_t> OldestMs(Server& /*server*/) override { return std::nullopt; }
  std::vector<DeadLetter> DeadLetters(Server& server, std::size_t limit) override;
  bool RetryDead(Server& server, std::string_view id) override;
  bool DropDead(Server& server, std::string_view id) override;

 protected:
  [[nodiscard]] const ListOptions& options() const { return options_; }
  [[nodiscard]] std::string Key(std::string_view name) const {
    return options_.root + std::string(name);
  }

  /// A new job as an element without meta.
  [[nodiscard]] virtual std::string MakeBody(const Enqueue& job, const std::string& id,
                                             const std::string& arguments) const = 0;
  /// The lists to look at, in order.
  [[nodiscard]] virtual std::vector<std::string> QueueNames() const { return options_.queues; }
  /// Fills the payload of hold.job from the body in hold.extra; returns why it is no job, or
  /// nothing.
  [[nodiscard]] virtual std::string ReadBody(Hold& hold, int whole) const;
  /// Completes a job from the members that only this client has.
  virtual void ReadMore(std::string_view /*body*/, Job& /*job*/) const {}
  /// The body for a retry; empty = as it is.
  [[nodiscard]] virtual std::string RetryBody(const Hold& /*hold*/,
                                              const Update& /*update*/) const {
    return {};
  }
  using Commands = std::vector<Args>;
  /// What else a settlement changes on the server: counts, the list of failures. `element`: the job
  /// with its meta.
  virtual void AddCommands(Commands& commands, const Hold& hold, const Update& update,
                           const Caller& caller) const = 0;

  /// A dead letter as it lies there.
  struct Grave {
    std::string raw;      ///< the whole entry
    std::string element;  ///< the job in it
    std::string queue;
    DeadLetter letter;
  };
  [[nodiscard]] virtual const char* GraveKind() const = 0;
  [[nodiscard]] virtual std::string GraveKey() const = 0;
  /// The command that lists entries, the newest `limit`; and whether the newest come first.
  [[nodiscard]] virtual Args ListGraves(std::size_t limit) const = 0;
  [[nodiscard]] virtual bool NewestFirst() const = 0;
  [[nodiscard]] virtual Grave ReadGrave(std::string_view raw) const = 0;
  /// The element as if new.
  [[nodiscard]] virtual std::string Revive(const Grave& grave) const = 0;

  /// Fills a letter from the element of a job.
  static void ReadLetter(std::string_view element, DeadLetter& letter);

 private:
  static void AddAll(Args& words, const Commands& commands);
  std::vector<Grave> Graves(Server& server, std::size_t limit) const;
  bool Remove(Server& server, std::string_view id, bool revive) const;

  std::string style_;
  ListOptions options_;
  std::string stem_;
};

/// Checks and reads the keys `queues` and, when `default_root` is not empty, `namespace`.
void CheckListKeys(const QueueOptions& options, bool has_namespace,
                   std::vector<QueueKeyError>& errors);
[[nodiscard]] Result<ListOptions> ReadListOptions(const DriverConfig& config, Role role,
                                                  std::string_view default_namespace);
Caps ListCaps();

}  // namespace workmand::redis
