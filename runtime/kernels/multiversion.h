// Owns the compilation of a kernel's own loops for several instruction sets, and the choice between them while running.
// Generated code (kernel "loop") and oneDNN choose for themselves.
//
//   SW_MULTIVERSION(void, addRow, (float* to, const float* from, int64_t n), (to, from, n)) {
//     for (int64_t i = 0; i < n; ++i) to[i] += from[i];
//   }
//
// defines addRow with that signature; its body is compiled for x86-64-v2, AVX2 with FMA, and AVX-512. Functions that the
// body calls are compiled for the wider sets only where they are inlined: mark them SW_INLINE.
#pragma once

namespace shardwright {

enum class IsaLevel { kBaseline, kAvx2, kAvx512 };

// What this machine has; found once.
IsaLevel isaLevel();

// Makes isaLevel() answer at most `most` from now on, so that tests reach what other machines run. Before any kernel is
// made: packed operands are laid out for one level.
void limitIsaLevel(IsaLevel most);

}  // namespace shardwright

#define SW_INLINE inline __attribute__((always_inline))
#define SW_INLINE_LAMBDA __attribute__((always_inline))

#define SW_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")))
#define SW_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))

// SW_MULTIVERSION_LANES is the same for a body that is also a template over kLanes, the floats in a vector register:
// 16, 8 or 4.
#if defined(__x86_64__)
#define SW_MULTIVERSION_VARIANTS(result, name, parameters, arguments, avx512Body, avx2Body, baselineBody) \
  SW_TARGET_AVX512 static result name##Avx512 parameters { return avx512Body arguments; }                 \
  SW_TARGET_AVX2 static result name##Avx2 parameters { return avx2Body arguments; }                       \
  static result name##Baseline parameters { return baselineBody arguments; }                              \
  result name parameters {                                                                                \
    switch (::shardwright::isaLevel()) {                                                                  \
      case ::shardwright::IsaLevel::kAvx512:                                                              \
        return name##Avx512 arguments;                                                                    \
      case ::shardwright::IsaLevel::kAvx2:                                                                \
        return name##Avx2 arguments;                                                                      \
      default:                                                                                            \
        return name##Baseline arguments;                                                                  \
    }                                                                                                     \
  }
#else
#define SW_MULTIVERSION_VARIANTS(result, name, parameters, arguments, avx512Body, avx2Body, baselineBody) \
  result name parameters { return baselineBody arguments; }
#endif

#define SW_MULTIVERSION(result, name, parameters, arguments)                                        \
  static SW_INLINE result name##Body parameters;                                                    \
  SW_MULTIVERSION_VARIANTS(result, name, parameters, arguments, name##Body, name##Body, name##Body) \
  static SW_INLINE result name##Body parameters

#define SW_MULTIVERSION_LANES(result, name, parameters, arguments)                                            \
  template <int kLanes>                                                                                       \
  static SW_INLINE result name##Body parameters;                                                              \
  SW_MULTIVERSION_VARIANTS(result, name, parameters, arguments, name##Body<16>, name##Body<8>, name##Body<4>) \
  template <int kLanes>                                                                                       \
  static SW_INLINE result name##Body parameters
