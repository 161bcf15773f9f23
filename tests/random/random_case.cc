#include "tests/random/random_case.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "onnx/defs/parser.h"

namespace shardwright {
namespace {

std::string str(const CaseValue& value) {
  std::string text = value.name + " " + std::string(dtypeName(value.dtype)) + "[";
  for (size_t d = 0; d < value.dims.size(); ++d) text += (d ? "," : "") + value.dims[d].str();
  return text + "] " + value.filling;
}

std::vector<std::string> split(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t at; (at = text.find(by, start)) != std::string::npos; start = at + by.size())
    parts.push_back(text.substr(start, at - start));
  parts.push_back(text.substr(start));
  return parts;
}

// At commas outside of parentheses and brackets.
std::vector<std::string> splitList(const std::string& text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  parts.emplace_back();
  int depth = 0;
  for (char c : text) {
    depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else if (c != ' ' || !parts.back().empty())
      parts.back() += c;
  }
  return parts;
}

StatusOr<CaseValue> parseValue(const std::string& text) {
  const size_t blank = text.find(' '), open = text.find('['), close = text.find(']');
  if (blank == std::string::npos || open == std::string::npos || close == std::string::npos || close + 2 > text.size())
    return userError("\"" + text + "\" is no value; write NAME TYPE[DIMS] FILLING");
  CaseValue value;
  value.name = text.substr(0, blank);
  const std::string type = text.substr(blank + 1, open - blank - 1);
  const auto dtype = dtypeFromName(type);
  if (!dtype) return userError("\"" + type + "\" is no element type");
  value.dtype = *dtype;
  for (const std::string& dim : splitList(text.substr(open + 1, close - open - 1))) {
    SW_ASSIGN_OR_RETURN(const Expr e, Expr::parse(dim));
    value.dims.push_back(e);
  }
  value.filling = text.substr(close + 2);
  return value;
}

StatusOr<CaseNode> parseNode(const std::string& text) {
  const size_t equals = text.find(" = "), open = text.rfind('(');
  if (equals == std::string::npos || open == std::string::npos)
    return userError("\"" + text + "\" is no node; write VALUE = OP(OPERANDS)");
  CaseNode node;
  for (const std::string& result : split(text.substr(0, equals), " ; ")) {
    SW_ASSIGN_OR_RETURN(node.results.emplace_back(), parseValue(result));
  }
  node.op = text.substr(equals + 3, open - equals - 3);
  node.operands = splitList(text.substr(open + 1, text.rfind(')') - open - 1));
  return node;
}

CasePin parsePin(const std::string& text) {
  const size_t blank = text.find(' ');
  CasePin pin{text.substr(0, blank), {}};
  for (const std::string& dim : splitList(blank == std::string::npos ? "" : text.substr(blank + 1))) {
    pin.dims.emplace_back();
    if (dim == "null") continue;
    pin.dims.back().emplace();
    for (const std::string& axis : splitList(dim.substr(1, dim.size() - 2)))
      pin.dims.back()->push_back(axis.substr(1, axis.size() - 2));
  }
  return pin;
}

std::string dimsText(const CasePin& pin) {
  std::string text;
  for (const auto& dim : pin.dims) {
    text += text.empty() ? "" : ",";
    if (!dim) {
      text += "null";
      continue;
    }
    std::string axes;
    for (const std::string& axis : *dim) axes += (axes.empty() ? "\"" : ",\"") + axis + "\"";
    text += "[" + axes + "]";
  }
  return text;
}

void setType(onnx::ValueInfoProto& info, const CaseValue& value) {
  info.set_name(value.name);
  auto* type = info.mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int>(value.dtype));
  auto* shape = type->mutable_shape();
  for (Expr dim : value.dims) {
    if (auto size = dim.constant())
      shape->add_dim()->set_dim_value(*size);
    else
      shape->add_dim()->set_dim_param(dim.str());
  }
}

// FNV-1a, so that what a value holds follows from its name alone.
uint64_t hashOf(const std::string& name) {
  uint64_t hash = 14695981039346656037u;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

int64_t wholeNumberAt(const std::string& filling, uint64_t seed, int64_t i) {
  uint64_t bits = (seed + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u);
  bits = (bits ^ bits >> 31) * 0xbf58476d1ce4e5b9u;
  const auto mixed = static_cast<int64_t>(bits >> 40);
  std::istringstream words(filling);
  std::string kind;
  int64_t number = 0;
  words >> kind >> number;
  if (kind == "values") {
    for (int64_t k = 0; k < i; ++k) words >> number;
    return number;
  }
  if (kind == "below") return mixed % number;
  if (kind == "bool") return mixed % 2;
  if (kind == "positive") return 1 + mixed % 9;
  if (kind == "unit") return mixed % 17 - 8;
  return mixed % 11 == 5 ? 6 : mixed % 11 - 5;
}

}  // namespace

StatusOr<HostTensor> fill(const CaseValue& value, const Bindings& sizes) {
  std::vector<int64_t> dims;
  for (Expr dim : value.dims) {
    SW_ASSIGN_OR_RETURN(dims.emplace_back(), dim.evaluate(sizes));
  }
  HostTensor tensor = HostTensor::make(value.dtype, dims);
  const uint64_t seed = hashOf(value.name);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const int64_t number = wholeNumberAt(value.filling, seed, i);
    if (value.dtype == DType::kFloat32)
      tensor.as<float>()[i] = static_cast<float>(number) * (value.filling == "unit" ? 0.11f : 1.0f);
    else if (value.dtype == DType::kFloat16)
      tensor.as<uint16_t>()[i] = floatToFloat16(static_cast<float>(number));
    else if (value.dtype == DType::kInt64)
      tensor.as<int64_t>()[i] = number;
    else if (value.dtype == DType::kInt32)
      tensor.as<int32_t>()[i] = static_cast<int32_t>(number);
    else  // truth
      tensor.as<uint8_t>()[i] = number != 0;
  }
  return tensor;
}

std::string RandomCase::str() const {
  std::ostringstream text;
  text << "opset " << opset << "\nmesh " << mesh << "\n";
  if (microbatches > 1) text << "microbatches " << microbatches << "\n";
  if (!schedule.empty()) text << "schedule " << schedule << "\n";
  if (memoryPercent > 0) text << "memory " << memoryPercent << "\n";
  if (!given.empty()) text << "given " << given << "\n";
  for (const Bindings& run : sizes) {
    text << "sizes";
    for (const auto& [symbol, size] : run) text << " " << symbol << "=" << size;
    text << "\n";
  }
  for (const CaseValue& value : inputs) text << "input " << shardwright::str(value) << "\n";
  for (const CaseValue& value : weights) text << "weight " << shardwright::str(value) << "\n";
  for (const CaseNode& node : nodes) {
    std::string results, operands;
    for (const CaseValue& value : node.results) results += (results.empty() ? "" : " ; ") + shardwright::str(value);
    for (const std::string& name : node.operands) operands += (&name == &node.operands[0] ? "" : ", ") + name;
    text << "node " << results << " = " << node.op << "(" << operands << ")\n";
  }
  for (const CaseOutput& output : outputs) text << "output " << output.name << " " << output.tolerance << "\n";
  for (const CasePin& pin : pins) text << "pin " << pin.name << " " << dimsText(pin) << "\n";
  for (const CaseStrategy& s : strategies) text << "strategy " << s.node << " " << s.axis << " " << s.place << "\n";
  for (const CaseStage& s : stages) text << "stage " << s.node << " " << s.stage << "\n";
  return text.str();
}

StatusOr<RandomCase> RandomCase::parse(const std::string& text) {
  RandomCase parsed;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string key = line.substr(0, blank), rest = line.substr(std::min(blank + 1, line.size()));
    std::istringstream words(rest);
    if (key.empty() || key[0] == '#') continue;
    if (key == "opset") {
      words >> parsed.opset;
    } else if (key == "mesh") {
      parsed.mesh = rest;
    } else if (key == "microbatches") {
      words >> parsed.microbatches;
    } else if (key == "schedule") {
      parsed.schedule = rest;
    } else if (key == "memory") {
      words >> parsed.memoryPercent;
    } else if (key == "given") {
      parsed.given = rest;
    } else if (key == "sizes") {
      Bindings& run = parsed.sizes.emplace_back();
      for (std::string word; words >> word;)
        run[word.substr(0, word.find('='))] = std::stoll(word.substr(word.find('=') + 1));
    } else if (key == "input" || key == "weight") {
      SW_ASSIGN_OR_RETURN((key == "input" ? parsed.inputs : parsed.weights).emplace_back(), parseValue(rest));
    } else if (key == "node") {
      SW_ASSIGN_OR_RETURN(parsed.nodes.emplace_back(), parseNode(rest));
    } else if (key == "output") {
      CaseOutput& output = parsed.outputs.emplace_back();
      words >> output.name >> output.tolerance;
    } else if (key == "pin") {
      parsed.pins.push_back(parsePin(rest));
    } else if (key == "strategy") {
      CaseStrategy& strategy = parsed.strategies.emplace_back();
      words >> strategy.node >> strategy.axis >> strategy.place;
    } else if (key == "stage") {
      CaseStage& stage = parsed.stages.emplace_back();
      words >> stage.node >> stage.stage;
    } else {
      return userError("\"" + line + "\" starts with no word of a case");
    }
  }
  return parsed;
}

const CaseValue* RandomCase::find(const std::string& name) const {
  auto isIt = [&](const CaseValue& value) { return value.name == name; };
  for (const std::vector<CaseValue>* values : {&inputs, &weights})
    if (auto it = std::find_if(values->begin(), values->end(), isIt); it != values->end()) return &*it;
  for (const CaseNode& node : nodes)
    if (auto it = std::find_if(node.results.begin(), node.results.end(), isIt); it != node.results.end()) return &*it;
  return nullptr;
}

void RandomCase::prune() {
  if (!given.empty()) return;
  std::set<std::string> needed;
  for (const CaseOutput& output : outputs) needed.insert(output.name);
  auto isNeeded = [&](const CaseValue& value) { return needed.count(value.name) > 0; };
  for (size_t i = nodes.size(); i-- > 0;) {
    if (std::any_of(nodes[i].results.begin(), nodes[i].results.end(), isNeeded))
      needed.insert(nodes[i].operands.begin(), nodes[i].operands.end());
    else
      nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(i));
  }
  auto eraseUnneeded = [&](std::vector<CaseValue>& values) {
    values.erase(std::remove_if(values.begin(), values.end(), [&](const auto& value) { return !isNeeded(value); }),
                 values.end());
  };
  eraseUnneeded(inputs);
  eraseUnneeded(weights);
  std::set<std::string> live = needed, named;
  for (const CaseNode& node : nodes) named.insert(node.name());
  pins.erase(std::remove_if(pins.begin(), pins.end(), [&](const auto& pin) { return !live.count(pin.name); }),
             pins.end());
  strategies.erase(
      std::remove_if(strategies.begin(), strategies.end(), [&](const auto& s) { return !named.count(s.node); }),
      strategies.end());
  stages.erase(std::remove_if(stages.begin(), stages.end(), [&](const auto& s) { return !named.count(s.node); }),
               stages.end());
}

std::string RandomCase::spec() const {
  std::string text = "{\"tensors\": {";
  for (const CasePin& pin : pins)
    text += std::string(&pin == &pins[0] ? "" : ", ") + "\"" + pin.name + "\": [" + dimsText(pin) + "]";
  struct NodeText {
    std::string splits, stage;
  };
  std::map<std::string, NodeText> byNode;
  for (const CaseStrategy& s : strategies) {
    std::string& splits = byNode[s.node].splits;
    splits += (splits.empty() ? "\"" : ", \"") + s.axis + "\": \"" + s.place + "\"";
  }
  for (const CaseStage& s : stages) byNode[s.node].stage = "\"stage\": " + std::to_string(s.stage);
  text += "}, \"nodes\": {";
  for (const auto& [node, says] : byNode) {
    std::string strategy = says.splits.empty() ? "" : "\"strategy\": {" + says.splits + "}";
    if (!strategy.empty() && !says.stage.empty()) strategy += ", ";
    text += (text.back() == '{' ? "\"" : ", \"") + nodeName(node) + "\": {" + strategy + says.stage + "}";
  }
  return text + "}}";
}

StatusOr<std::string> RandomCase::model() const {
  std::string text = "<ir_version: 10, opset_import: [\"\" : " + std::to_string(opset) + "]> random () => () {";
  for (const CaseNode& node : nodes) {
    std::string results, operands;
    for (const CaseValue& value : node.results) results += (results.empty() ? "" : ", ") + value.name;
    for (const std::string& name : node.operands) operands += (&name == &node.operands[0] ? "" : ", ") + name;
    text += " " + results + " = " + node.op + "(" + operands + ")";
  }
  onnx::ModelProto proto;
  const auto status = onnx::OnnxParser::Parse(proto, (text + " }").c_str());
  if (!status.IsOK()) return internalError(status.ErrorMessage());
  onnx::GraphProto& graph = *proto.mutable_graph();
  for (size_t i = 0; i < nodes.size(); ++i)
    graph.mutable_node(static_cast<int>(i))->set_name(nodeName(nodes[i].name()));
  for (const CaseValue& value : inputs) setType(*graph.add_input(), value);
  for (const CaseValue& value : weights) {
    SW_ASSIGN_OR_RETURN(const HostTensor tensor, fill(value, {}));
    onnx::TensorProto& initializer = *graph.add_initializer();
    initializer.set_name(value.name);
    initializer.set_data_type(static_cast<int>(value.dtype));
    for (int64_t dim : tensor.dims) initializer.add_dims(dim);
    initializer.set_raw_data(tensor.bytes.get(), static_cast<size_t>(tensor.sizeBytes()));
  }
  for (const CaseOutput& output : outputs) {
    const CaseValue* value = find(output.name);
    if (!value) return internalError("no node makes the output " + output.name);
    setType(*graph.add_output(), *value);
  }
  return proto.SerializeAsString();
}

}  // namespace shardwright
