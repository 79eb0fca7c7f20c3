#include "protocol/zygote.h"

#include <string>

#include <catch2/catch.hpp>

namespace workman::protocol {

TEST_CASE("a fork names the worker and its token and where to say it", "[protocol]") {
  std::string out;
  AppendFork(out, {"img-7", "12-ab", "/run/workman/img.sock.fork", true});
  AppendFork(out, {"i\"mg", "t", "/s", false});

  CHECK(out ==
        R"({"type":"fork","worker":"img-7","token":"12-ab","socket":"/run/workman/img.sock.fork",)"
        R"("stderr":true})"
        "\n"
        R"({"type":"fork","worker":"i\"mg","token":"t","socket":"/s"})"
        "\n");
}

TEST_CASE("an attach says its token and which stream it is", "[protocol]") {
  const auto channel = ReadAttach(R"({"type":"attach","token":"12-ab"})");
  REQUIRE(channel);
  CHECK(channel->token == "12-ab");
  CHECK_FALSE(channel->err);
  const auto err = ReadAttach(R"({"type":"attach","token":"t","stream":"stderr","x_new":1})");
  REQUIRE(err);
  CHECK(err->err);
}

TEST_CASE("what is no attach is none", "[protocol]") {
  CHECK_FALSE(ReadAttach(""));
  CHECK_FALSE(ReadAttach("[]"));
  CHECK_FALSE(ReadAttach(R"({"type":"ready","token":"t"})"));
  CHECK_FALSE(ReadAttach(R"({"type":"attach"})"));
  CHECK_FALSE(ReadAttach(R"({"type":"attach","token":7})"));
  CHECK_FALSE(ReadAttach(R"({"type":"attach","token":"t","stream":"stdin"})"));
}

TEST_CASE("an exited says who will not come and why", "[protocol]") {
  const auto exited = ReadExited(R"({"type":"exited","token":"t","why":"fork: no memory"})");
  REQUIRE(exited);
  CHECK(exited->token == "t");
  CHECK(exited->why == "fork: no memory");
  CHECK_FALSE(ReadExited(R"({"type":"exited","pid":7})"));
}

}  // namespace workman::protocol
