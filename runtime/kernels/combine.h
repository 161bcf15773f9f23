// Owns combining an element with an update: the reductions of the scatter kernels.
#pragma once

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/numeric_types.h"

namespace shardwright {

enum class Combine { kReplace, kAdd, kMul, kMax, kMin };

inline Combine readCombine(AttrReader& attrs) {
  std::string name = attrs.choice("reduction", {"none", "add", "mul", "max", "min"});
  return name == "add"   ? Combine::kAdd
         : name == "mul" ? Combine::kMul
         : name == "max" ? Combine::kMax
         : name == "min" ? Combine::kMin
                         : Combine::kReplace;
}

template <typename T>
void combine(Combine how, T& element, T update) {
  using C = typename Computed<T>::Type;
  auto asUnsigned = [](C v) { return static_cast<uint64_t>(v); };  // so that integers wrap
  (void)asUnsigned;
  C a = static_cast<C>(element), b = static_cast<C>(update);
  switch (how) {
    case Combine::kReplace:
      element = update;
      return;
    case Combine::kAdd:
      if constexpr (std::is_integral_v<C>) {
        element = static_cast<T>(asUnsigned(a) + asUnsigned(b));
      } else {
        element = static_cast<T>(a + b);
      }
      return;
    case Combine::kMul:
      if constexpr (std::is_integral_v<C>) {
        element = static_cast<T>(asUnsigned(a) * asUnsigned(b));
      } else {
        element = static_cast<T>(a * b);
      }
      return;
    case Combine::kMax:
      element = isLess(a, b) ? update : element;
      return;
    case Combine::kMin:
      element = isLess(b, a) ? update : element;
      return;
  }
}

}  // namespace shardwright
