#include "daemon/modes/framing.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

using Seen = std::vector<std::string>;
constexpr Framing kAll[] = {Framing::kLines, Framing::kNetstring, Framing::kU32be};

Seen Read(FrameReader& reader, std::string_view chunk) {
  Seen seen;
  reader.Feed(chunk, [&](const Frame& frame) {
    const char* const is = frame.is == Frame::Is::kWhole     ? ""
                           : frame.is == Frame::Is::kTooLong ? "too long "
                                                             : "broken ";
    seen.push_back(is + std::string(frame.bytes));
  });
  return seen;
}

Seen Read(Framing framing, std::string_view stream, std::size_t max = 1000) {
  FrameReader reader(framing, max);
  return Read(reader, stream);
}

std::string Bytes(std::initializer_list<int> codes) {
  std::string bytes;
  for (const int code : codes) bytes += static_cast<char>(code);
  return bytes;
}

}  // namespace

TEST_CASE("what one framing writes it reads cut at every byte", "[modes]") {
  for (const Framing framing : kAll) {
    Seen messages = {"hello", "", "12:x,", "é"};
    if (framing != Framing::kLines) messages.push_back(Bytes({0, 10, 13, 255, 44, 58}));
    std::string stream;
    for (const std::string& message : messages) AppendFrame(stream, message, framing);

    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      FrameReader reader(framing, 1000);
      Seen seen = Read(reader, std::string_view(stream).substr(0, cut));
      for (std::string& more : Read(reader, std::string_view(stream).substr(cut))) {
        seen.push_back(std::move(more));
      }
      INFO(cut);
      CHECK(seen == messages);
    }
    FrameReader bytewise(framing, 1000);
    Seen seen;
    for (const char c : stream) {
      for (std::string& more : Read(bytewise, {&c, 1})) seen.push_back(std::move(more));
    }
    CHECK(seen == messages);
  }
}

TEST_CASE("the framings are written as they are known", "[modes]") {
  std::string out;
  AppendFrame(out, "abc", Framing::kLines);
  AppendFrame(out, "abc", Framing::kNetstring);
  AppendFrame(out, "abc", Framing::kU32be);

  CHECK(out == "abc\n3:abc," + Bytes({0, 0, 0, 3}) + "abc");
  out.clear();
  AppendFrame(out, std::string(0x10203, 'x'), Framing::kU32be);
  CHECK(out.substr(0, 4) == Bytes({0, 1, 2, 3}));
}

TEST_CASE("a netstring that is none breaks the stream once and for all", "[modes]") {
  for (const std::string stream :
       {"x", "3abc,", ":abc,", "03:abc,", "-1:a,", "12345678901:", "hello\n"}) {
    const Seen seen = Read(Framing::kNetstring, "2:ok," + stream + "2:no,");
    INFO(stream);
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == "ok");
    CHECK(seen[1].find("broken ") == 0);
  }
  CHECK(Read(Framing::kNetstring, "3:abc;3:abc,") == Seen{"broken abc"});
}

TEST_CASE("a message may be as long as the limit and no longer", "[modes]") {
  for (const Framing framing : kAll) {
    std::string exact;
    AppendFrame(exact, std::string(100, 'x'), framing);
    CHECK(Read(framing, exact, 100) == Seen{std::string(100, 'x')});

    std::string longer;
    AppendFrame(longer, std::string(101, 'x'), framing);
    const Seen seen = Read(framing, longer, 100);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].find("too long ") == 0);
  }
  CHECK(Read(Framing::kU32be, Bytes({255, 255, 255, 255}), 100).size() == 1);
  CHECK(Read(Framing::kNetstring, "9999999999:", 100).size() == 1);
}

TEST_CASE("a line longer than the limit is followed by a good one", "[modes]") {
  const Seen seen = Read(Framing::kLines, std::string(5000, 'x') + "\ngood\n", 100);

  REQUIRE(seen.size() == 2);
  CHECK(seen[1] == "good");
}

TEST_CASE("only lines cannot carry a line feed", "[modes]") {
  CHECK_FALSE(FitsFraming("a\nb", Framing::kLines));
  CHECK(FitsFraming("ab", Framing::kLines));
  CHECK(FitsFraming("a\nb", Framing::kNetstring));
  CHECK(FitsFraming("a\nb", Framing::kU32be));
}

}  // namespace workmand
