#include "daemon/queue/drivers/sqlite_leases.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workmand::sqlite {
namespace {

constexpr const char* kAddHolder =
    "INSERT INTO holders(host, boot_id, pid_namespace, pid, start_time, since)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
constexpr const char* kFindHolder =
    "SELECT id FROM holders WHERE host = ?1 AND boot_id = ?2 AND pid_namespace = ?3 AND pid = ?4"
    " AND start_time = ?5";
constexpr const char* kHoldersOfHost =
    "SELECT id, boot_id, pid_namespace, pid, start_time FROM holders WHERE host = ?1";
constexpr const char* kFreeHeldBy =
    "UPDATE jobs SET state = 0 WHERE id IN (SELECT id FROM held WHERE holder = ?1)";
constexpr const char* kForgetHeldBy = "DELETE FROM held WHERE holder = ?1";
constexpr const char* kForgetHolder = "DELETE FROM holders WHERE id = ?1";
constexpr const char* kFreeExpired =
    "UPDATE jobs SET state = 0 WHERE id IN (SELECT id FROM held WHERE lease_until <= ?1)";
constexpr const char* kForgetExpired = "DELETE FROM held WHERE lease_until <= ?1";
constexpr const char* kForgetStrangers =
    "DELETE FROM holders WHERE (host <> ?1 OR pid_namespace <> ?2) AND since < ?3"
    " AND id NOT IN (SELECT holder FROM held)";

/// Field 22 of /proc/PID/stat. The name of the program, field 2, may hold spaces and parentheses.
std::optional<std::int64_t> StartTime(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  constexpr int kFieldsAfterName = 20;
  for (int i = 0; i < kFieldsAfterName; ++i) fields >> field;
  std::int64_t ticks = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), ticks);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return ticks;
}

std::vector<std::int64_t> DeadHolders(Database& db, const Process& here) {
  std::vector<std::int64_t> dead;
  Query query(db, kHoldersOfHost, here.host);
  while (query.Next()) {
    const Process process{here.host, std::string(query.Bytes(1)), query.Int(2), query.Int(3),
                          query.Int(4)};
    if (IsDead(process, here)) dead.push_back(query.Int(0));
  }
  return dead;
}

}  // namespace

Process ThisProcess() {
  Process process;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) process.host = host.data();
  std::ifstream("/proc/sys/kernel/random/boot_id") >> process.boot_id;
  struct stat space {};
  if (stat("/proc/self/ns/pid", &space) == 0) {
    process.pid_namespace = static_cast<std::int64_t>(space.st_ino);
  }
  process.pid = getpid();
  process.start_time = StartTime(process.pid).value_or(0);
  return process;
}

bool IsDead(const Process& process, const Process& here) {
  if (process.host != here.host) return false;
  if (process.boot_id != here.boot_id) return true;
  if (process.pid_namespace != here.pid_namespace) return false;
  const std::optional<std::int64_t> start = StartTime(process.pid);
  if (start) return *start != process.start_time;
  // /proc may hide the processes of other users.
  return kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH;
}

std::int64_t RegisterHolder(Database& db, const Process& process, WallTime now) {
  db.Run(kAddHolder, process.host, process.boot_id, process.pid_namespace, process.pid,
         process.start_time, now);
  Query query(db, kFindHolder, process.host, process.boot_id, process.pid_namespace, process.pid,
              process.start_time);
  return query.Next() ? query.Int(0) : 0;
}

std::int64_t FreeDeadHolders(Database& db, const Process& here) {
  const std::vector<std::int64_t> dead = DeadHolders(db, here);
  if (dead.empty()) return 0;
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  std::int64_t freed = 0;
  for (const std::int64_t holder : dead) {
    freed += db.Run(kFreeHeldBy, holder);
    db.Run(kForgetHeldBy, holder);
    db.Run(kForgetHolder, holder);
  }
  transaction.Commit();
  return freed;
}

std::int64_t FreeExpired(Database& db, WallTime now) {
  const std::int64_t freed = db.Run(kFreeExpired, now);
  if (freed > 0) db.Run(kForgetExpired, now);
  return freed;
}

void SweepHolders(Database& db, const Process& here, WallTime now) {
  FreeDeadHolders(db, here);
  db.Run(kForgetStrangers, here.host, here.pid_namespace, now - std::chrono::hours(24));
}

}  // namespace workmand::sqlite
