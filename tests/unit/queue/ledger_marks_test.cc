#include "daemon/queue/ledger_marks.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

class Folder {
 public:
  Folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "workmand-marks-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file() const { return (path_ / "t.held").string(); }
  /// As if the program had been killed: the file stays as it is while it is open.
  void KillHolder(std::unique_ptr<LedgerMarks> marks) const {
    std::filesystem::copy_file(file(), path_ / "kept");
    marks.reset();
    std::filesystem::rename(path_ / "kept", file());
  }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<LedgerMarks> Open(const Folder& folder, std::string_view boot) {
  auto marks = std::make_unique<LedgerMarks>();
  REQUIRE(marks->Open(folder.file(), boot));
  return marks;
}

}  // namespace

TEST_CASE("marks that were not cleared are there once for the next daemon", "[ledger]") {
  const Folder folder;
  auto marks = Open(folder, "boot");
  marks->Set({1, 2});
  marks->Clear(marks->Set({3, 4}));
  marks->Set({5, 6});
  folder.KillHolder(std::move(marks));

  marks = Open(folder, "boot");
  CHECK(marks->left() == std::vector<LedgerKey>{{1, 2}, {5, 6}});
  marks->Forget();
  folder.KillHolder(std::move(marks));

  CHECK(Open(folder, "boot")->left().empty());
}

TEST_CASE("only one daemon marks its jobs in one file", "[ledger]") {
  const Folder folder;
  const auto first = Open(folder, "boot");
  LedgerMarks second;

  const auto opened = second.Open(folder.file(), "boot");

  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kRefused);
}

TEST_CASE("marks tell the death of the machine from the death of a daemon", "[ledger]") {
  const Folder folder;
  folder.KillHolder(Open(folder, "boot 1"));
  CHECK_FALSE(Open(folder, "boot 1")->machine_died());
  CHECK_FALSE(Open(folder, "boot 2")->machine_died());  // the one before ended in order

  folder.KillHolder(Open(folder, "boot 2"));

  CHECK(Open(folder, "boot 3")->machine_died());
}

TEST_CASE("a place for a mark is used again", "[ledger]") {
  const Folder folder;
  const auto marks = Open(folder, "boot");
  const LedgerKey key{1, 2};
  for (std::uint32_t i = 0; i < LedgerMarks::kSlots; ++i) {
    if (marks->Set(key) != i) FAIL("place " << i << " was not given in order");
  }

  CHECK(marks->Set(key) == LedgerMarks::kNone);
  marks->Clear(LedgerMarks::kNone);
  marks->Clear(7);
  CHECK(marks->Set(key) == 7);
}

}  // namespace workmand
