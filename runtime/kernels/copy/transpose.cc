#include "runtime/kernels/copy/transpose.h"

#include <cstring>

namespace shardwright {
namespace {

using Vector4 = uint32_t __attribute__((vector_size(16)));

Vector4 load4(const uint32_t* from) {
  Vector4 v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
void store4(uint32_t* to, Vector4 v) { std::memcpy(to, &v, sizeof v); }

}  // namespace

void transpose32(const void* fromBytes, int64_t fromStride, void* toBytes, int64_t toStride, int64_t rows,
                 int64_t columns) {
  const uint32_t* from = static_cast<const uint32_t*>(fromBytes);
  uint32_t* to = static_cast<uint32_t*>(toBytes);
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    int64_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      const uint32_t* in = from + c * fromStride + r;
      uint32_t* out = to + r * toStride + c;
      Vector4 a = load4(in), b = load4(in + fromStride), d = load4(in + 2 * fromStride), e = load4(in + 3 * fromStride);
      Vector4 ab0 = __builtin_shuffle(a, b, Vector4{0, 4, 1, 5}), ab1 = __builtin_shuffle(a, b, Vector4{2, 6, 3, 7});
      Vector4 de0 = __builtin_shuffle(d, e, Vector4{0, 4, 1, 5}), de1 = __builtin_shuffle(d, e, Vector4{2, 6, 3, 7});
      store4(out, __builtin_shuffle(ab0, de0, Vector4{0, 1, 4, 5}));
      store4(out + toStride, __builtin_shuffle(ab0, de0, Vector4{2, 3, 6, 7}));
      store4(out + 2 * toStride, __builtin_shuffle(ab1, de1, Vector4{0, 1, 4, 5}));
      store4(out + 3 * toStride, __builtin_shuffle(ab1, de1, Vector4{2, 3, 6, 7}));
    }
    for (; c < columns; ++c) {
      for (int i = 0; i < 4; ++i) to[(r + i) * toStride + c] = from[c * fromStride + r + i];
    }
  }
  for (; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) to[r * toStride + c] = from[c * fromStride + r];
  }
}

}  // namespace shardwright
