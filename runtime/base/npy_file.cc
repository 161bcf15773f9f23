// NumPy's .npy: a magic, a version, the length of a header that is a Python dict literal, the elements.
#include <cctype>
#include <optional>

#include "runtime/base/file.h"
#include "runtime/base/tensor_file.h"

namespace shardwright {
namespace {

struct NpyType {
  std::string_view code;  // without the byte order
  DType dtype;
};

constexpr NpyType kTypes[] = {
    {"f4", DType::kFloat32}, {"f8", DType::kFloat64},   {"f2", DType::kFloat16},     {"V2", DType::kBFloat16},
    {"b1", DType::kBool},    {"i1", DType::kInt8},      {"i2", DType::kInt16},       {"i4", DType::kInt32},
    {"i8", DType::kInt64},   {"u1", DType::kUint8},     {"u2", DType::kUint16},      {"u4", DType::kUint32},
    {"u8", DType::kUint64},  {"c8", DType::kComplex64}, {"c16", DType::kComplex128},
};

struct Header {
  DType dtype = DType::kUndefined;
  bool fortranOrder = false;
  std::vector<int64_t> dims;
};

// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, keys in any order.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  std::optional<Header> header() {
    Header result;
    bool hasType = false, hasOrder = false, hasShape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      std::optional<std::string_view> key = quoted();
      if (!key || !take(':')) return std::nullopt;
      if (*key == "descr")
        hasType = type(result.dtype);
      else if (*key == "fortran_order")
        hasOrder = boolean(result.fortranOrder);
      else if (*key == "shape")
        hasShape = shape(result.dims);
      else
        return std::nullopt;
      if (!take(',') && (at_ >= text_.size() || text_[at_] != '}')) return std::nullopt;
    }
    if (!hasType || !hasOrder || !hasShape) return std::nullopt;
    return result;
  }

  std::string_view typeCode() const { return typeCode_; }

 private:
  bool take(char c) {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::optional<std::string_view> quoted() {
    char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    size_t end = quote ? text_.find(quote, at_) : std::string_view::npos;
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }

  bool type(DType& dtype) {
    std::optional<std::string_view> code = quoted();
    if (!code || code->size() < 2) return false;
    typeCode_ = *code;
    for (const NpyType& t : kTypes)
      if ((*code)[0] != '>' && code->substr(1) == t.code) dtype = t.dtype;
    return true;
  }

  bool boolean(bool& value) {
    take(' ');
    for (bool candidate : {true, false}) {
      std::string_view word = candidate ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      value = candidate;
      return true;
    }
    return false;
  }

  bool shape(std::vector<int64_t>& dims) {
    if (!take('(')) return false;
    while (!take(')')) {
      take(' ');
      int64_t dim = 0;
      size_t begin = at_;
      for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_)
        if (__builtin_mul_overflow(dim, int64_t{10}, &dim) || __builtin_add_overflow(dim, text_[at_] - '0', &dim))
          return false;
      if (at_ == begin) return false;
      dims.push_back(dim);
      if (!take(',') && (at_ >= text_.size() || text_[at_] != ')')) return false;
    }
    return true;
  }

  std::string_view text_, typeCode_;
  size_t at_ = 0;
};

void copyFromFortranOrder(const char* from, HostTensor& tensor) {
  int64_t element = bitWidth(tensor.dtype) / 8, count = tensor.count();
  std::vector<int64_t> index(tensor.dims.size(), 0);
  for (int64_t to = 0; to < count; ++to) {
    int64_t source = 0, stride = 1;
    for (size_t d = 0; d < index.size(); ++d) source += index[d] * stride, stride *= tensor.dims[d];
    std::memcpy(tensor.bytes.get() + to * element, from + source * element, static_cast<size_t>(element));
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < tensor.dims[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace

StatusOr<HostTensor> npyFromBytes(std::string_view bytes, const std::string& where) {
  constexpr std::string_view kMagic("\x93NUMPY", 6);
  if (bytes.size() < 12 || bytes.substr(0, 6) != kMagic) return userError(where + ": is not a .npy file");
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  size_t lengthBytes = byte(6) == 1 ? 2 : 4, length = 0;
  if (byte(6) < 1 || byte(6) > 3)
    return userError(where + ": found .npy version " + std::to_string(byte(6)) + "; allowed are 1 to 3");
  for (size_t i = 0; i < lengthBytes; ++i) length |= byte(8 + i) << (8 * i);
  size_t begin = 8 + lengthBytes;
  if (length > bytes.size() - begin) return userError(where + ": the header is truncated");
  HeaderParser parser(bytes.substr(begin, length));
  std::optional<Header> header = parser.header();
  if (!header)
    return userError(where + ": the .npy header cannot be read: found " + std::string(bytes.substr(begin, length)));
  if (header->dtype == DType::kUndefined) {
    return userError(where + ": found element type \"" + std::string(parser.typeCode()) +
                     "\"; allowed are little-endian f2, f4, f8, b1, i1 to i8, u1 to u8, c8, c16, and V2 for bfloat16");
  }
  SW_ASSIGN_OR_RETURN(int64_t count, checkedCount(header->dtype, header->dims, where));
  std::string_view data = bytes.substr(begin + length);
  if (static_cast<int64_t>(data.size()) != byteSize(header->dtype, count)) {
    return userError(where + ": found " + std::to_string(data.size()) + " bytes of elements; its header needs " +
                     std::to_string(byteSize(header->dtype, count)));
  }
  HostTensor tensor = HostTensor::make(header->dtype, header->dims);
  if (header->fortranOrder)
    copyFromFortranOrder(data.data(), tensor);
  else
    std::memcpy(tensor.bytes.get(), data.data(), data.size());
  return tensor;
}

StatusOr<HostTensor> readNpy(const std::string& path) {
  SW_ASSIGN_OR_RETURN(std::string bytes, readWholeFile(path));
  return npyFromBytes(bytes, path);
}

Status writeNpy(const std::string& path, const HostTensor& tensor) {
  std::string_view code;
  for (const NpyType& t : kTypes)
    if (t.dtype == tensor.dtype) code = t.code;
  if (code.empty())
    return userError(path + ": .npy has no form for " + std::string(dtypeName(tensor.dtype)) + "; write .pb");
  bool hasOrder = bitWidth(tensor.dtype) > 8;
  std::string header =
      std::string("{'descr': '") + (hasOrder ? "<" : "|") + std::string(code) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.dims.size(); ++i) header += (i ? " " : "") + std::to_string(tensor.dims[i]) + ",";
  header += "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(tensor.as<char>(), static_cast<size_t>(tensor.sizeBytes()));
  return writeFileAtomically(path, bytes);
}

}  // namespace shardwright
