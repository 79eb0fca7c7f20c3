#include "daemon/queue/drivers/sqlite_settings.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "daemon/queue/drivers.h"
#include "daemon/queue/options.h"

namespace workmand {
namespace {

constexpr auto kKeys = std::to_array<std::string_view>({"path", "synchronous", "url"});
constexpr auto kSynchronous = std::to_array<std::string_view>({"full", "normal"});

/// The `path` or `url` as written; empty when there is neither.
Result<std::string> FileOf(const QueueOptions& options) {
  if (HasKey(options, "url")) {
    auto url = GetString(options, "url", "");
    if (!url) return url;
    return sqlite::PathOfUrl(*url);
  }
  auto path = GetString(options, "path", "");
  if (path && HasKey(options, "path") && path->empty()) {
    return Fail(ErrorCode::kInvalid, "must not be empty");
  }
  return path;
}

}  // namespace

namespace sqlite {

Result<std::string> PathOfUrl(std::string_view url) {
  const auto bad = [] {
    return Fail(ErrorCode::kInvalid, "must be sqlite:///FILE, with three slashes and a file name");
  };
  const auto parts = ParseQueueUrl(url);
  if (!parts) return tl::unexpected(parts.error());
  if (parts->scheme != "sqlite") return bad();
  const bool no_host = parts->hosts.empty() && parts->user.empty() && parts->password.empty();
  if (!no_host || parts->path.size() < 2 || parts->path.back() == '/') return bad();
  const std::string rest = parts->path.substr(1);
  if (rest.starts_with('/')) return rest;
  const bool relative =
      rest.find('/') == std::string::npos || rest.starts_with("./") || rest.starts_with("../");
  return relative ? rest : parts->path;
}

Result<Settings> MakeSettings(const DriverConfig& config) {
  const auto file = FileOf(config.options);
  if (!file) return tl::unexpected(file.error());
  const auto synchronous = GetChoice(config.options, "synchronous", kSynchronous, "full");
  if (!synchronous) return tl::unexpected(synchronous.error());
  namespace fs = std::filesystem;
  Settings settings;
  // operator/ keeps the right side alone when it is absolute.
  settings.path = file->empty()
                      ? (fs::path(config.state_dir) / (config.profile_name + ".db")).string()
                      : (fs::path(config.directory) / *file).lexically_normal().string();
  settings.full_sync = *synchronous == "full";
  settings.lease_time = config.lease_time;
  settings.result_ttl = config.result_ttl;
  settings.dead_letter_retention = config.dead_letter_retention;
  settings.poll_interval = std::clamp(config.dequeue_interval, Duration{10}, Duration{1'000});
  return settings;
}

}  // namespace sqlite

std::vector<QueueKeyError> CheckSqliteOptions(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  CheckKnownKeys(options, kKeys, errors);
  if (HasKey(options, "path") && HasKey(options, "url")) {
    errors.push_back({"url", "stands beside \"path\"; one of the two is enough"});
  }
  CheckValue(HasKey(options, "url") ? "url" : "path", FileOf(options), errors);
  CheckValue("synchronous", GetChoice(options, "synchronous", kSynchronous, "full"), errors);
  return errors;
}

}  // namespace workmand
