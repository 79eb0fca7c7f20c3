#include "daemon/queue/modules.h"

#include <array>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

const std::array<std::string, 2> kFolders{BINARY_DIR "/none", BINARY_DIR "/tests/modules"};

std::string WhyUnusable(const char* name) {
  const auto module = LoadModule(name, kFolders);
  REQUIRE_FALSE(module);
  CHECK(module.error().code == ErrorCode::kRefused);
  CHECK_THAT(module.error().message,
             Catch::StartsWith("the driver module " + kFolders[1] + "/" + name + ".so cannot be"));
  return module.error().message;
}

TEST_CASE("a module is loaded from the first folder that has it", "[queue]") {
  const auto module = LoadModule("good", kFolders);

  REQUIRE(module);
  CHECK((*module)->name == std::string("good"));
  CHECK((*module)->abi == kDriverAbi);
}

TEST_CASE("a module that no folder has is not found", "[queue]") {
  for (const char* name : {"missing", "", "../tests/modules/good", "Good", "good.so"}) {
    const auto module = LoadModule(name, kFolders);
    REQUIRE_FALSE(module);
    CHECK(module.error().code == ErrorCode::kNotFound);
  }
}

TEST_CASE("a module of another edition is refused with both numbers", "[queue]") {
  CHECK_THAT(WhyUnusable("edition"),
             Catch::Contains("built for edition " + std::to_string(kDriverAbi + 1)) &&
                 Catch::Contains("this program has edition " + std::to_string(kDriverAbi)));
}

TEST_CASE("a module of other headers is refused", "[queue]") {
  CHECK_THAT(WhyUnusable("sizes"), Catch::Contains("with other headers"));
}

TEST_CASE("a module under another name than its own is refused", "[queue]") {
  CHECK_THAT(WhyUnusable("renamed"), Catch::Contains("it is the driver \"another\""));
}

TEST_CASE("a shared object that is no module is refused", "[queue]") {
  CHECK_THAT(WhyUnusable("stranger"), Catch::Contains("it exports no workman_queue_driver"));
}

TEST_CASE("modules are listed by name without those that cannot be one", "[queue]") {
  CHECK(ListModules(kFolders) ==
        std::vector<std::string>{"edition", "good", "renamed", "sizes", "stranger"});
}

}  // namespace
}  // namespace workmand
