// Owns reading a step's attributes by name and type, with messages that name the step. It does not own what they mean.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernels/kernel.h"

namespace shardwright {

// Reads from `sizes` (attributes that were expressions), then from `fixed`. The first failure is kept and later reads
// return the default, so that a kernel reads everything and looks at status() once.
class AttrReader {
 public:
  AttrReader(const KernelSpec& spec, const Attrs* sizes = nullptr) : spec_(spec), sizes_(sizes) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  // Whether it is a list of numbers, not of integers.
  bool holdsNumbers(std::string_view name) const {
    const AttrValue* value = find(name);
    return value != nullptr && std::holds_alternative<std::vector<double>>(*value);
  }
  // A missing attribute without a default is a failure.
  int64_t integer(std::string_view name, std::optional<int64_t> byDefault = {});
  double number(std::string_view name, std::optional<double> byDefault = {});  // an integer will do
  std::string text(std::string_view name, std::optional<std::string> byDefault = {});
  std::vector<int64_t> integers(std::string_view name, std::optional<std::vector<int64_t>> byDefault = {});
  std::vector<double> numbers(std::string_view name, std::optional<std::vector<double>> byDefault = {});
  bool flag(std::string_view name, bool byDefault) { return integer(name, byDefault) != 0; }
  // One of `allowed`; the first is the default.
  std::string choice(std::string_view name, std::initializer_list<const char*> allowed);

  // Fails if the step has an attribute of another name.
  void allowOnly(std::initializer_list<const char*> names);
  void fail(const std::string& message);
  const Status& status() const { return status_; }

 private:
  const AttrValue* find(std::string_view name) const;
  template <typename T>
  T read(std::string_view name, std::optional<T> byDefault, const char* type);

  const KernelSpec& spec_;
  const Attrs* sizes_;
  Status status_;
};

// "step NAME: MESSAGE" as a user error.
Status stepError(const KernelSpec& spec, const std::string& message);

// "float32[2, 3] strides [3, 1]"; "absent".
std::string describe(const TensorRef& tensor);

// Fails unless the step has between `min` and `max` inputs and exactly `outputs` outputs, all of the first min inputs
// and all outputs present.
Status checkArity(const KernelSpec& spec, size_t min, size_t max, size_t outputs);

// Fails if the step has post-ops.
Status checkNoPostOps(const KernelSpec& spec);

}  // namespace shardwright
