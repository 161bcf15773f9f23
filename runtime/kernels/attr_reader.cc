#include "runtime/kernels/attr_reader.h"

#include <algorithm>

namespace shardwright {

Status stepError(const KernelSpec& spec, const std::string& message) {
  return userError("step " + spec.step + ": " + message);
}

void AttrReader::fail(const std::string& message) {
  if (status_.ok()) status_ = stepError(spec_, message);
}

const AttrValue* AttrReader::find(std::string_view name) const {
  if (sizes_ != nullptr) {
    if (auto it = sizes_->find(name); it != sizes_->end()) return &it->second;
  }
  auto it = spec_.attrs.find(name);
  return it == spec_.attrs.end() ? nullptr : &it->second;
}

template <typename T>
T AttrReader::read(std::string_view name, std::optional<T> byDefault, const char* type) {
  const AttrValue* value = find(name);
  if (value == nullptr) {
    if (byDefault) return *byDefault;
    fail("attribute \"" + std::string(name) + "\" is missing; it must be given as " + type);
    return T{};
  }
  if (const T* typed = std::get_if<T>(value)) return *typed;
  if constexpr (std::is_same_v<T, double>) {
    if (const int64_t* whole = std::get_if<int64_t>(value)) return static_cast<double>(*whole);
  }
  if constexpr (std::is_same_v<T, std::vector<double>>) {
    if (const auto* whole = std::get_if<std::vector<int64_t>>(value)) return T(whole->begin(), whole->end());
  }
  fail("attribute \"" + std::string(name) + "\" has another type; it must be " + type);
  return byDefault ? *byDefault : T{};
}

int64_t AttrReader::integer(std::string_view name, std::optional<int64_t> byDefault) {
  return read<int64_t>(name, byDefault, "an integer");
}
double AttrReader::number(std::string_view name, std::optional<double> byDefault) {
  return read<double>(name, byDefault, "a number");
}
std::string AttrReader::text(std::string_view name, std::optional<std::string> byDefault) {
  return read<std::string>(name, std::move(byDefault), "a string");
}
std::vector<int64_t> AttrReader::integers(std::string_view name, std::optional<std::vector<int64_t>> byDefault) {
  return read<std::vector<int64_t>>(name, std::move(byDefault), "a list of integers");
}
std::vector<double> AttrReader::numbers(std::string_view name, std::optional<std::vector<double>> byDefault) {
  return read<std::vector<double>>(name, std::move(byDefault), "a list of numbers");
}

std::string AttrReader::choice(std::string_view name, std::initializer_list<const char*> allowed) {
  std::string value = text(name, std::string(*allowed.begin()));
  std::string all;
  for (const char* one : allowed) {
    if (value == one) return value;
    all += (all.empty() ? "\"" : ", \"") + std::string(one) + "\"";
  }
  fail("attribute \"" + std::string(name) + "\" is \"" + value + "\"; allowed are " + all);
  return *allowed.begin();
}

void AttrReader::allowOnly(std::initializer_list<const char*> names) {
  for (const auto& [name, value] : spec_.attrs) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string all;
    for (const char* one : names) all += (all.empty() ? "" : ", ") + std::string(one);
    fail("attribute \"" + name + "\" is unknown to this kernel; it knows " + (all.empty() ? "none" : all));
  }
}

std::string describe(const TensorRef& tensor) {
  if (tensor.absent()) return "absent";
  std::string dims, strides;
  for (int i = 0; i < tensor.rank; ++i) {
    dims += (i ? ", " : "") + std::to_string(tensor.dims[i]);
    strides += (i ? ", " : "") + std::to_string(tensor.strides[i]);
  }
  return std::string(dtypeName(tensor.dtype)) + "[" + dims + "] strides [" + strides + "]";
}

Status checkArity(const KernelSpec& spec, size_t min, size_t max, size_t outputs) {
  bool fits = spec.inputs.size() >= min && spec.inputs.size() <= max && spec.outputs.size() == outputs;
  for (size_t i = 0; fits && i < min; ++i) fits = spec.inputs[i] != DType::kUndefined;
  for (size_t i = 0; fits && i < outputs; ++i) fits = spec.outputs[i] != DType::kUndefined;
  if (fits) return Status();
  std::string range = std::to_string(min) + (max > min ? " to " + std::to_string(max) : "");
  return stepError(spec, "has " + std::to_string(spec.inputs.size()) + " inputs and " +
                             std::to_string(spec.outputs.size()) +
                             " outputs, or one that must be there is absent; the kernel takes " + range +
                             " inputs and " + std::to_string(outputs) + " outputs");
}

Status checkNoPostOps(const KernelSpec& spec) {
  if (spec.postOps.empty()) return Status();
  return stepError(spec, "has the post-op \"" + spec.postOps[0].kind + "\"; this kernel takes none");
}

}  // namespace shardwright
