#include "daemon/profile/yaml_text.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "daemon/profile/text.h"

namespace workmand {
namespace {

/// Far more than any profile holds; aliases of aliases could otherwise grow without end.
constexpr std::size_t kMaxNodes = 100'000;
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";
constexpr std::string_view kStandardTags = "tag:yaml.org,2002:";

Mark OneBased(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// Leaves the parser from inside a callback; caught in ParseYaml.
struct Refused {
  YamlProblem problem;
};

std::size_t CountNodes(const YamlNode& node) {
  std::size_t count = 1;
  for (const YamlNode& item : node.items) count += CountNodes(item);
  for (const YamlNode::Entry& entry : node.entries) count += CountNodes(entry.value);
  return count;
}

/// Builds the tree from the parser's events, from the leaves up.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, int source) : text_(text), source_(source) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) Refuse(mark, "must be one YAML document, and this is a second one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Finish(MakeNode(YamlNode::Kind::kNull, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) Refuse(mark, "an alias cannot be inside what it stands for");
    nodes_ += CountNodes(known->second);
    CheckSize(mark);
    Finish(known->second, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (value.find('\0') != std::string::npos) Refuse(mark, "a value cannot hold a NUL character");
    // The parser makes single bytes of the escapes \N and \_.
    if (!IsUtf8(value)) Refuse(mark, "a value must be UTF-8 text");
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark);
    CheckTag(mark, tag);
    CheckQuoteIsClosed(mark);
    node.quoted = tag == "!" || tag == kStringTag;
    node.text = value;
    Finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    CheckTag(mark, tag);
    open_.push_back({MakeNode(YamlNode::Kind::kSequence, mark), anchor, {}, {}});
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    CheckTag(mark, tag);
    open_.push_back({MakeNode(YamlNode::Kind::kMapping, mark), anchor, {}, {}});
  }
  void OnMapEnd() override { Close(); }

 private:
  /// A sequence or mapping whose end has not come yet.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    std::optional<std::string> key;  ///< of a mapping: read, its value comes next
    Place key_place;
  };

  [[noreturn]] static void Refuse(const YAML::Mark& mark, std::string sentence) {
    throw Refused{{OneBased(mark), std::move(sentence)}};
  }

  void CheckSize(const YAML::Mark& mark) const {
    if (nodes_ > kMaxNodes) Refuse(mark, "holds too many values");
  }

  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    const bool standard = tag.compare(0, kStandardTags.size(), kStandardTags) == 0;
    if (!tag.empty() && tag != "?" && tag != "!" && !standard) {
      Refuse(mark, "the YAML tag '" + tag + "' is not known here");
    }
  }

  /// The parser takes a quote that is never closed to reach to the end of the file.
  void CheckQuoteIsClosed(const YAML::Mark& mark) const {
    auto at = static_cast<std::size_t>(mark.pos);
    if (at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return;
    const char quote = text_[at];
    while (++at < text_.size()) {
      const bool doubled = quote == '\'' && text_.substr(at, 2) == "''";
      const bool escaped = quote == '"' && text_[at] == '\\';
      if (doubled || escaped) {
        ++at;
      } else if (text_[at] == quote) {
        return;
      }
    }
    Refuse(mark, "this quote is never closed");
  }

  YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark) {
    ++nodes_;
    CheckSize(mark);
    YamlNode node;
    node.kind = kind;
    node.place = {source_, OneBased(mark)};
    return node;
  }

  void Close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    Finish(std::move(done.node), done.anchor);
  }

  void Finish(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.key) {
      if (node.kind == YamlNode::Kind::kNull) node.place = parent.key_place;
      parent.node.entries.push_back({std::move(*parent.key), parent.key_place, std::move(node)});
      parent.key.reset();
    } else {
      SetKey(parent, std::move(node));
    }
  }

  static void SetKey(Open& parent, YamlNode key) {
    if (key.kind != YamlNode::Kind::kScalar) {
      throw Refused{{key.place.mark, "a key must be one word"}};
    }
    if (key.text == "<<" && !key.quoted) {
      throw Refused{{key.place.mark, "merge keys ('<<') are not supported"}};
    }
    parent.key = std::move(key.text);
    parent.key_place = key.place;
  }

  std::string_view text_;
  int source_;
  int documents_ = 0;
  std::size_t nodes_ = 0;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
};

/// The parser stops at some of them without a word, and none belongs into a profile.
std::optional<YamlProblem> FindControlCharacter(std::string_view text) {
  Mark mark{1, 1};
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      return YamlProblem{mark, "is not valid YAML: a control character"};
    }
    mark = c == '\n' ? Mark{mark.line + 1, 1} : Mark{mark.line, mark.column + 1};
  }
  return std::nullopt;
}

/// "{b: ${X}}" ends at the first brace, and the parser's words for it help nobody.
std::string HintAtVariable(std::string_view text, int line) {
  for (; line > 1 && !text.empty(); --line) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  const bool has_variable = text.substr(0, text.find('\n')).find("${") != std::string_view::npos;
  return has_variable ? "; inside { } and [ ], put quotes around ${VAR}" : "";
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

YamlText ParseYaml(std::string_view text, int source) {
  YamlText result;
  result.problem = FindControlCharacter(text);
  if (!result.problem && !IsUtf8(text)) result.problem = YamlProblem{{}, "is not UTF-8 text"};
  if (result.problem) return result;
  TreeBuilder builder(text, source);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    result.root = builder.TakeRoot();
  } catch (const Refused& refused) {
    result.problem = refused.problem;
  } catch (const YAML::Exception& error) {
    const Mark mark = OneBased(error.mark);
    result.problem =
        YamlProblem{mark, "is not valid YAML: " + error.msg + HintAtVariable(text, mark.line)};
  }
  return result;
}

}  // namespace workmand
