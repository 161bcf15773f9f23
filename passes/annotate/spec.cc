#include "passes/annotate/spec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

namespace shardwright {
namespace {

using Json = nlohmann::ordered_json;

class SpecReader {
 public:
  explicit SpecReader(std::string file) : file_(std::move(file)) {}

  StatusOr<ShardSpec> read(std::string_view text) {
    Json root;
    // The parser's own words say line and column.
    try {
      root = Json::parse(text.begin(), text.end(), [this](int depth, Json::parse_event_t event, Json& parsed) {
        noteKey(depth, event, parsed);
        return true;
      });
    } catch (const Json::exception& e) {
      return userError(file_ + ": not JSON: " + e.what());
    }
    ShardSpec spec;
    if (!root.is_object())
      return userError(file_ + ": is " + kindOf(root) + "; give an object with \"mesh\", \"tensors\", …");
    for (const auto& [key, value] : root.items()) {
      std::string path = "/" + key;
      if (key != "mesh" && key != "tensors" && key != "nodes" && key != "state") {
        complain(path, "unknown key; allowed are mesh, tensors, nodes and state");
      } else if (!value.is_object()) {
        complain(path, "is " + kindOf(value) + "; give an object");
      } else {
        for (const auto& [name, entry] : value.items()) readEntry(spec, key, path + "/" + name, name, entry);
      }
    }
    if (!errors_.empty()) return userError(errors_);
    return spec;
  }

 private:
  static std::string kindOf(const Json& value) {
    return value.is_null()
               ? "null"
               : std::string("a") + (value.is_array() || value.is_object() ? "n " : " ") + value.type_name();
  }

  // JSON lets a key come twice, and the last one wins; here both were meant.
  void noteKey(int depth, Json::parse_event_t event, const Json& parsed) {
    auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      keys_.resize(level);
      keys_.emplace_back();
    } else if (event == Json::parse_event_t::key) {
      keys_.resize(level);
      std::vector<std::string>& known = keys_.back();
      std::string key = parsed.get<std::string>();
      bool isNew = std::find(known.begin(), known.end(), key) == known.end();
      known.push_back(key);
      std::string path;
      for (const auto& outer : keys_) path += outer.empty() ? "" : "/" + outer.back();
      if (!isNew) complain(path, "is there twice; leave one of them out");
    }
  }

  void complain(const std::string& path, const std::string& what) {
    errors_ += (errors_.empty() ? "" : "\n") + file_ + ": " + path + ": " + what;
  }

  void readEntry(ShardSpec& spec, const std::string& key, const std::string& path, const std::string& name,
                 const Json& entry) {
    if (key == "mesh") {
      if (!entry.is_number_integer() || entry.get<int64_t>() < 1)
        return complain(path, "is " + entry.dump() + "; give a size of 1 or more");
      if (!Mesh::isAxisName(name))
        return complain(path, "is no name of an axis; use letters, digits and \"_\", a digit not first");
      spec.mesh.push_back({name, entry.get<int64_t>()});
    } else if (key == "tensors") {
      readTensor(spec, path, name, entry);
    } else if (key == "nodes") {
      readNode(spec, path, name, entry);
    } else if (!entry.is_string()) {
      complain(path, "is " + kindOf(entry) + "; give the name of the output that this input becomes");
    } else {
      spec.state.push_back({path, name, entry.get<std::string>()});
    }
  }

  void readTensor(ShardSpec& spec, const std::string& path, const std::string& name, const Json& entry) {
    if (!entry.is_array())
      return complain(path,
                      "is " + kindOf(entry) + "; give a list with, per dim, a list of axes, [] for whole, or null");
    TensorSpec tensor{path, name, {}};
    for (size_t d = 0; d < entry.size(); ++d) {
      const Json& dim = entry[d];
      std::string at = path + "/" + std::to_string(d);
      tensor.dims.emplace_back();
      if (dim.is_null()) continue;
      if (!dim.is_array()) {
        complain(at, "is " + dim.dump() + "; give a list of axes such as [\"tp\"], [] for whole, or null");
        continue;
      }
      std::vector<std::string> axes;
      for (const Json& axis : dim) {
        if (axis.is_string())
          axes.push_back(axis.get<std::string>());
        else
          complain(at, "holds " + axis.dump() + "; give names of axes, such as \"tp\" or \"tp:(2)4\"");
      }
      tensor.dims.back() = std::move(axes);
    }
    spec.tensors.push_back(std::move(tensor));
  }

  void readNode(ShardSpec& spec, const std::string& path, const std::string& name, const Json& entry) {
    if (!entry.is_object())
      return complain(path, "is " + kindOf(entry) + "; give an object with \"stage\" or \"strategy\"");
    NodeSpec node{path, name, std::nullopt, {}};
    for (const auto& [key, value] : entry.items()) {
      std::string at = path + "/" + key;
      if (key == "stage") {
        if (value.is_number_integer() && value.get<int64_t>() >= 0)
          node.stage = value.get<int64_t>();
        else
          complain(at, "is " + value.dump() + "; give a stage's number, 0 or more");
      } else if (key != "strategy") {
        complain(at, "unknown key; allowed are stage and strategy");
      } else if (!value.is_object()) {
        complain(at, "is " + kindOf(value) + "; give an object such as {\"tp\": \"0.1\"}");
      } else {
        for (const auto& [axis, place] : value.items()) readSplit(node, at + "/" + axis, axis, place);
      }
    }
    spec.nodes.push_back(std::move(node));
  }

  void readSplit(NodeSpec& node, const std::string& path, const std::string& axis, const Json& place) {
    NodeSpec::Split split{path, axis, 0, 0};
    std::string text = place.is_string() ? place.get<std::string>() : "";
    const char* end = text.data() + text.size();
    auto operand = std::from_chars(text.data(), end, split.operand);
    bool isPlace = operand.ec == std::errc() && operand.ptr != end && *operand.ptr == '.';
    if (isPlace) {
      auto dim = std::from_chars(operand.ptr + 1, end, split.dim);
      isPlace = dim.ec == std::errc() && dim.ptr == end;
    }
    if (!isPlace)
      return complain(path, "is " + place.dump() + "; give \"operand.dim\", such as \"0.1\" for dim 1 of operand 0");
    node.strategy.push_back(std::move(split));
  }

  std::string file_, errors_;
  std::vector<std::vector<std::string>> keys_;  // while parsing: of each object that is open, the keys so far
};

}  // namespace

StatusOr<ShardSpec> parseSpec(std::string_view text, const std::string& file) { return SpecReader(file).read(text); }

bool isGlob(std::string_view pattern) { return pattern.find_first_of("*?") != std::string_view::npos; }

// Greedy with one point of return: the last "*".
bool globMatches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace shardwright
