#include "daemon/queue/drivers/q4m_settings.h"

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace workmand;  // NOLINT(google-build-using-namespace)

namespace {

QueueOptions Options(std::vector<std::string> tables, const std::string& task_column = "") {
  QueueOptions options;
  options.driver = "q4m";
  options.extra["url"].text = "mysql://ann:secret@h/app";
  options.extra["tables"].is_list = true;
  options.extra["tables"].list = std::move(tables);
  if (!task_column.empty()) options.extra["task_column"].text = task_column;
  return options;
}

q4m::Settings Read(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  q4m::Settings settings = q4m::ReadSettings(options, errors);
  REQUIRE(errors.empty());
  return settings;
}

/// The key of the one error there is.
std::string KeyOfError(const QueueOptions& options) {
  std::vector<QueueKeyError> errors;
  (void)q4m::ReadSettings(options, errors);
  REQUIRE(errors.size() == 1);
  CHECK(errors.front().sentence.find("secret") == std::string::npos);
  return errors.front().key;
}

/// The table's place, or -1 for a job that is refused.
int PlaceOf(const q4m::Settings& settings, const std::string& task, Priority priority) {
  Enqueue job;
  job.task = task;
  job.priority = priority;
  const auto table = q4m::TableFor(settings, job);
  return table ? static_cast<int>(*table - settings.tables.data()) : -1;
}

}  // namespace

TEST_CASE("a table of q4m is in the url's database unless it says another", "[queue]") {
  const q4m::Settings settings = Read(Options({"jobs", "Other.mail_2"}));

  REQUIRE(settings.tables.size() == 2);
  CHECK(settings.tables[0].Plain() == "app.jobs");
  CHECK(settings.tables[1].Plain() == "Other.mail_2");
  CHECK(settings.tables[1].Quoted() == "`Other`.`mail_2`");
  CHECK(settings.tables[1].label == "Other.mail_2");
}

TEST_CASE("q4m refuses names that are none", "[queue]") {
  for (const char* table : {"", "a-b", "a b", "a.b.c", "a.", ".b", "a`; DROP TABLE b", "a'b"}) {
    CHECK(KeyOfError(Options({table})) == "tables");
  }
  for (const char* key : {"task_column", "args_column", "id_column"}) {
    QueueOptions options = Options({"jobs"});
    options.extra[key].text = "a`b";
    CHECK(KeyOfError(options) == key);
  }
}

TEST_CASE("q4m needs a server and a table", "[queue]") {
  QueueOptions options = Options({"jobs"});
  options.extra["url"].text = "redis://ann:secret@h/app";
  CHECK(KeyOfError(options) == "url");
  options = Options({"jobs"});
  options.extra.erase("tables");
  CHECK(KeyOfError(options) == "tables");
}

TEST_CASE("q4m names no table twice", "[queue]") {
  CHECK(KeyOfError(Options({"jobs", "app.jobs"}, "task")) == "tables");
  // Where the name is the task it must differ, too.
  CHECK(KeyOfError(Options({"jobs", "other.jobs"})) == "tables");
  CHECK(Read(Options({"jobs", "other.jobs"}, "task")).tables.size() == 2);
}

TEST_CASE("q4m puts a job in the table of its priority", "[queue]") {
  const q4m::Settings one = Read(Options({"a"}, "task"));
  const q4m::Settings two = Read(Options({"a", "b"}, "task"));
  const q4m::Settings four = Read(Options({"a", "b", "c", "d"}, "task"));

  CHECK(PlaceOf(one, "T", Priority::kHigh) == -1);
  CHECK(PlaceOf(one, "T", Priority::kNormal) == 0);
  CHECK(PlaceOf(two, "T", Priority::kHigh) == 0);
  CHECK(PlaceOf(two, "T", Priority::kNormal) == 1);
  CHECK(PlaceOf(two, "T", Priority::kLow) == -1);
  CHECK(PlaceOf(four, "T", Priority::kHigh) == 0);
  CHECK(PlaceOf(four, "T", Priority::kNormal) == 1);
  CHECK(PlaceOf(four, "T", Priority::kLow) == 3);
  CHECK(q4m::PriorityOf(four, 2) == Priority::kNormal);
  CHECK(q4m::PriorityOf(four, 3) == Priority::kLow);
  CHECK_FALSE(q4m::HasPriorities(two));
  CHECK(q4m::HasPriorities(four));
}

TEST_CASE("q4m puts a job in the table of its task where no column holds it", "[queue]") {
  const q4m::Settings settings = Read(Options({"mail", "thumbs"}));

  CHECK(PlaceOf(settings, "thumbs", Priority::kNormal) == 1);
  CHECK(PlaceOf(settings, "thumbs", Priority::kHigh) == -1);
  CHECK(PlaceOf(settings, "other", Priority::kNormal) == -1);
  CHECK(q4m::PriorityOf(settings, 0) == Priority::kNormal);
}
