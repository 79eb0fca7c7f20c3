#include "daemon/modes/arguments.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace workmand {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kArgs =
    R"json({"w":80,"name":"a b;$(c)","user":{"id":12345678901234567890123,"ok":true},)json"
    R"json("list":["x",{"y":1.50}],"none":null,"dup":1,"dup":2})json";

struct Filled {
  Words words;
  Unfit unfit;
};

Filled Fill(const Words& command, std::string_view payload, PayloadKind kind = PayloadKind::kJson) {
  std::string scratch;
  const FittedInput input = FitInput(payload, kind, scratch);
  Filled filled;
  filled.words = FillIn(command, {"Resize", "0123456789abcdef", 3, &input}, filled.unfit);
  return filled;
}

}  // namespace

TEST_CASE("placeholders are filled in each within its own argument", "[modes]") {
  const Filled filled = Fill({"convert", "-resize", "{args.w}x{args.w}>", "{task}-{id}.{attempt}",
                              "{args.name}", "{args.user.id}", "{args.user.ok}"},
                             kArgs);

  CHECK(filled.unfit.code.empty());
  CHECK(filled.words == Words{"convert", "-resize", "80x80>", "Resize-0123456789abcdef.3",
                              "a b;$(c)", "12345678901234567890123", "true"});
}

TEST_CASE("an argument reaches into lists and keeps digits and escapes", "[modes]") {
  CHECK(Fill({"{args.list.0}", "{args.list.1.y}"}, kArgs).words == Words{"x", "1.50"});
  CHECK(Fill({"{args.0.b}"}, R"( [ {"a":"]","b" : "\u00e9\"" } ] )").words == Words{"é\""});
  CHECK(Fill({"{args.dup}"}, kArgs).words == Words{"2"});
}

TEST_CASE("the whole payload is one argument where it is a scalar or text", "[modes]") {
  CHECK(Fill({"{args}"}, R"("a file.png")").words == Words{"a file.png"});
  CHECK(Fill({"{args}"}, "-1.5e3").words == Words{"-1.5e3"});
  CHECK(Fill({"{args}"}, "any text {task}", PayloadKind::kText).words == Words{"any text {task}"});
}

TEST_CASE("more members than a message may have are no obstacle", "[modes]") {
  std::string payload = "{";
  for (int i = 0; i < 500; ++i)
    payload += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  payload += R"("last":"here"})";

  CHECK(Fill({"{args.k499}{args.last}"}, payload).words == Words{"499here"});
}

TEST_CASE("braces that are no placeholder stay as they are", "[modes]") {
  const Words command = {
      "{print $1; fflush()}", "{}", "{ task }", "${HOME}", "{\"a\":1}", "{{task}}",
      "a{{args.x}}b",         "{",  "}",        "{{",      "{1}"};

  CHECK(Fill(command, "null").words == Words{"{print $1; fflush()}", "{}", "{ task }", "${HOME}",
                                             "{\"a\":1}", "{task}", "a{args.x}b", "{", "}", "{{",
                                             "{1}"});
}

TEST_CASE("a value that cannot be an argument fails the job for good with its name", "[modes]") {
  const auto why = [](const Words& command, std::string_view payload) {
    const Unfit unfit = Fill(command, payload).unfit;
    return std::string(unfit.code) + " " + unfit.sentence;
  };

  CHECK(why({"{args.h}"}, kArgs) ==
        "bad_args the command line needs a text, a number or a truth value of {args.h}, which is "
        "missing in this job");
  CHECK(why({"{args.user}"}, kArgs).find("{args.user}, which is an object") != std::string::npos);
  CHECK(why({"{args.list}"}, kArgs).find("is a list") != std::string::npos);
  CHECK(why({"{args.none}"}, kArgs).find("is null") != std::string::npos);
  CHECK(why({"{args.w.x}"}, kArgs).find("{args.w.x}, which is missing") != std::string::npos);
  CHECK(why({"{args.list.7}"}, kArgs).find("is missing") != std::string::npos);
  CHECK(why({"{args}"}, "").find("is null") != std::string::npos);
  CHECK(why({"{args.x}"}, R"({"x":"a\u0000b"})").find("NUL") != std::string::npos);
}

TEST_CASE("arguments too long for a command line fail the job not the pool", "[modes]") {
  const std::string longest(131'071, 'x');

  CHECK(Fill({"{args}"}, "\"" + longest + "\"").unfit.code.empty());
  CHECK(Fill({"{args}"}, "\"" + longest + "x\"").unfit.code == "bad_args");
  CHECK(Fill(Words(9, "{args}"), "\"" + longest + "\"").unfit.code == "bad_args");
}

}  // namespace workmand
