#include "compiler/onnx/wire_format.h"

#include <cstdint>
#include <optional>

namespace shardwright {
namespace {

// The messages on the way from a model to its tensors.
enum class Message { kModel, kGraph, kNode, kAttribute, kFunction, kTensor, kOther };

// What the length-delimited field `field` of a message holds.
Message childOf(Message message, uint32_t field) {
  switch (message) {
    case Message::kModel:
      return field == 7 ? Message::kGraph : field == 25 ? Message::kFunction : Message::kOther;
    case Message::kGraph:
      return field == 1 ? Message::kNode : field == 5 ? Message::kTensor : Message::kOther;
    case Message::kNode:
      return field == 5 ? Message::kAttribute : Message::kOther;
    case Message::kAttribute:
      if (field == 5 || field == 10) return Message::kTensor;
      return field == 6 || field == 11 ? Message::kGraph : Message::kOther;
    case Message::kFunction:
      return field == 7 ? Message::kNode : field == 11 ? Message::kAttribute : Message::kOther;
    default:
      return Message::kOther;
  }
}

// Fields of TensorProto.
enum TensorField : uint32_t {
  kFloatData = 4,
  kRawData = 9,
  kDoubleData = 10,
  kExternalData = 13,
  kDataLocation = 14,
};

void appendVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void appendBytes(std::string& out, uint32_t field, std::string_view bytes) {
  appendWireHead(out, field, bytes.size());
  out.append(bytes);
}

// StringStringEntryProto {key = 1, value = 2}.
void appendEntry(std::string& out, std::string_view key, std::string_view value) {
  std::string entry;
  appendBytes(entry, 1, key);
  appendBytes(entry, 2, value);
  appendBytes(out, kExternalData, entry);
}

// One field as it lies in the file; offsets are the file's.
struct Field {
  uint32_t number = 0;
  uint32_t type = 0;
  size_t begin = 0;    // of its tag
  size_t payload = 0;  // of what a length-delimited field holds
  size_t end = 0;
  uint64_t value = 0;  // of a varint
};

bool readVarint(std::string_view file, size_t& at, size_t end, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at >= end) return false;
    uint8_t byte = static_cast<uint8_t>(file[at++]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// The field at `at` of a message that goes up to `end`; false, and where, if there is none.
bool readField(std::string_view file, size_t at, size_t end, Field& field, size_t& failedAt) {
  field.begin = failedAt = at;
  uint64_t tag = 0, length = 0;
  if (!readVarint(file, at, end, tag)) return false;
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = tag & 7;
  if (tag >> 32 || field.number == 0) return false;
  switch (field.type) {
    case kVarint:
      if (!readVarint(file, at, end, field.value)) return false;
      break;
    case kFixed64:
      length = 8;
      break;
    case kFixed32:
      length = 4;
      break;
    case kLengthDelimited:
      if (!readVarint(file, at, end, length)) return false;
      break;
    default:
      return false;
  }
  if (length > end - at) return false;
  field.payload = at;
  field.end = at + length;
  return true;
}

class Rewriter {
 public:
  Rewriter(std::string_view file, std::string_view location) : file_(file), location_(location) {}

  // Appends the message in [begin, end) of the file; false with failedAt() at bytes that are no message.
  bool rewrite(Message message, size_t begin, size_t end, int depth, std::string& out) {
    // Subgraphs nest, a model does not nest a hundred of them; without a limit garbage could exhaust the stack.
    if (depth > 400) return fail(begin);
    if (message == Message::kTensor) return rewriteTensor(begin, end, out);
    for (size_t at = begin; at < end;) {
      Field field;
      if (!readField(at, end, field)) return false;
      Message child = field.type == kLengthDelimited ? childOf(message, field.number) : Message::kOther;
      if (child == Message::kOther) {
        out.append(file_.substr(field.begin, field.end - field.begin));
      } else {
        std::string nested;
        if (!rewrite(child, field.payload, field.end, depth + 1, nested)) return false;
        appendBytes(out, field.number, nested);
      }
      at = field.end;
    }
    return true;
  }

  size_t failedAt() const { return failedAt_; }

 private:
  bool fail(size_t at) {
    failedAt_ = at;
    return false;
  }

  bool readField(size_t at, size_t end, Field& field) {
    size_t failedAt = 0;
    return shardwright::readField(file_, at, end, field, failedAt) || fail(failedAt);
  }

  bool rewriteTensor(size_t begin, size_t end, std::string& out) {
    std::optional<Field> large;
    bool onlyOne = true;
    for (size_t at = begin; at < end;) {
      Field field;
      if (!readField(at, end, field)) return false;
      at = field.end;
      bool isData = field.number == kRawData || field.number == kFloatData || field.number == kDoubleData;
      if (!isData) continue;
      // A packed field may come in pieces, or unpacked; nobody writes that, and the parser reads it.
      onlyOne &= !large && field.type == kLengthDelimited;
      large = field;
    }
    if (!large || !onlyOne || large->end - large->payload <= kEmbeddedBytesLimit) {
      out.append(file_.substr(begin, end - begin));
      return true;
    }
    out.append(file_.substr(begin, large->begin - begin));
    out.append(file_.substr(large->end, end - large->end));
    appendEntry(out, "location", location_);
    appendEntry(out, "offset", std::to_string(large->payload));
    appendEntry(out, "length", std::to_string(large->end - large->payload));
    appendWireNumber(out, kDataLocation, 1);  // EXTERNAL
    return true;
  }

  std::string_view file_;
  std::string_view location_;
  size_t failedAt_ = 0;
};

}  // namespace

void appendWireHead(std::string& out, uint32_t field, uint64_t payloadBytes) {
  appendVarint(out, field << 3 | kLengthDelimited);
  appendVarint(out, payloadBytes);
}

void appendWireNumber(std::string& out, uint32_t field, uint64_t value) {
  appendVarint(out, field << 3 | kVarint);
  appendVarint(out, value);
}

std::optional<std::vector<WireField>> wireFields(std::string_view message) {
  std::vector<WireField> fields;
  for (size_t at = 0, failedAt = 0; at < message.size();) {
    Field field;
    if (!readField(message, at, message.size(), field, failedAt)) return std::nullopt;
    fields.push_back({field.number, field.type, message.substr(field.begin, field.end - field.begin),
                      message.substr(field.payload, field.end - field.payload), field.value});
    at = field.end;
  }
  return fields;
}

StatusOr<std::string> detachLargeTensors(std::string_view model, std::string_view location) {
  Rewriter rewriter(model, location);
  std::string out;
  if (rewriter.rewrite(Message::kModel, 0, model.size(), 0, out)) return out;
  return userError("not an ONNX model, or cut short: the bytes from offset " + std::to_string(rewriter.failedAt()) +
                   " of " + std::to_string(model.size()) + " are no protobuf message; export or copy the file again");
}

}  // namespace shardwright
