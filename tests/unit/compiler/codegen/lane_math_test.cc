// How far generated functions are from the truth: float32 against double, float64 against long double.
#include "compiler/codegen/lane_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

constexpr double kAllowedUlps32 = 4;
constexpr double kAllowedRelative64 = 1e-14;

struct MathCase {
  ScalarOp op;
  const char* name;
  long double (*truth)(long double);
  double limit64;  // float64 is tested for magnitudes up to here
};

constexpr MathCase kCases[] = {
    {ScalarOp::kSqrt, "sqrt", std::sqrt, 1e300},
    {ScalarOp::kReciprocal, "reciprocal", [](long double x) { return 1 / x; }, 1e300},
    {ScalarOp::kExp, "exp", std::exp, 800},
    {ScalarOp::kLog, "log", std::log, 1e300},
    {ScalarOp::kErf, "erf", std::erf, 10},
    {ScalarOp::kTanh, "tanh", std::tanh, 50},
    {ScalarOp::kSin, "sin", std::sin, 1e6},
    {ScalarOp::kCos, "cos", std::cos, 1e6},
    {ScalarOp::kTan, "tan", std::tan, 1e6},
    {ScalarOp::kAsin, "asin", std::asin, 1.2},
    {ScalarOp::kAcos, "acos", std::acos, 1.2},
    {ScalarOp::kAtan, "atan", std::atan, 1e300},
    {ScalarOp::kSinh, "sinh", std::sinh, 720},
    {ScalarOp::kCosh, "cosh", std::cosh, 720},
    {ScalarOp::kAsinh, "asinh", std::asinh, 1e300},
    {ScalarOp::kAcosh, "acosh", std::acosh, 1e300},
    {ScalarOp::kAtanh, "atanh", std::atanh, 1.2},
    {ScalarOp::kSigmoid, "sigmoid", [](long double x) { return 1 / (1 + std::exp(-x)); }, 700},
    {ScalarOp::kFloor, "floor", std::floor, 1e300},
    {ScalarOp::kCeil, "ceil", std::ceil, 1e300},
    {ScalarOp::kRound, "round", std::nearbyint, 1e300},
};

std::string caseName(const MathCase& each, DType type) {
  return std::string(each.name) + (type == DType::kFloat32 ? "32" : "64");
}

std::unique_ptr<LoadedObject> compileCases(const char* cpu, DType type) {
  std::vector<LoopNest> nests;
  for (const MathCase& each : kCases) nests.push_back(unaryNest(caseName(each, type), each.op, type, type));
  return compileNests(nests, cpu);
}

template <typename T>
std::vector<T> apply(Function function, std::vector<T> x) {
  std::vector<T> y(x.size());
  int64_t count = static_cast<int64_t>(x.size());
  int64_t sizes[] = {1, count, count, 1, count, 1};
  void* buffers[] = {x.data(), y.data()};
  function(buffers, sizes, 0, 1);
  return y;
}

const std::vector<float>& floatSamples() {
  static const std::vector<float> samples = [] {
    std::vector<float> values;
    // A prime step through all bit patterns meets every exponent and sign, NaNs and infinities.
    for (uint64_t bits = 0; bits < (1ull << 32); bits += 19997) {
      uint32_t pattern = static_cast<uint32_t>(bits);
      float value;
      std::memcpy(&value, &pattern, 4);
      values.push_back(value);
    }
    // Where models live.
    for (int i = -200000; i <= 200000; ++i) values.push_back(static_cast<float>(i) * 1.03e-4f);
    for (float special : {0.f,   1.f,   0.5f,        2.5f,       88.72283f,     88.72284f, 87.33655f,      103.97f,
                          104.f, 1e5f,  100001.f,    1.5e6f,     3.4028235e38f, 1e-45f,    1.1754944e-38f, INFINITY,
                          NAN,   0.92f, 0.99999994f, 1.0000001f, 9.01f,         4.f}) {
      values.push_back(special);
      values.push_back(-special);
    }
    return values;
  }();
  return samples;
}

class LaneMathOn : public ::testing::TestWithParam<const char*> {};

TEST_P(LaneMathOn, float32_is_within_4_ulp_for_every_exponent) {
  auto object = compileCases(GetParam(), DType::kFloat32);
  ASSERT_NE(object, nullptr);
  for (const MathCase& each : kCases) {
    std::vector<float> found = apply(object->find(caseName(each, DType::kFloat32)), floatSamples());
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      double error = ulpsBetween(found[i], static_cast<double>(each.truth(floatSamples()[i])));
      if (error > worst) worst = error, at = floatSamples()[i];
    }
    EXPECT_LE(worst, kAllowedUlps32) << each.name << " at " << at << " gives "
                                     << apply(object->find(caseName(each, DType::kFloat32)), std::vector<float>{at})[0];
    RecordProperty(std::string(each.name) + "_ulp", std::to_string(worst));
    if (std::getenv("SHARDWRIGHT_PRINT_ULPS")) std::printf("%-12s %6.3f ulp at %g\n", each.name, worst, at);
  }
}

TEST_P(LaneMathOn, float64_is_within_1e_14) {
  auto object = compileCases(GetParam(), DType::kFloat64);
  ASSERT_NE(object, nullptr);
  std::mt19937_64 random(7);
  for (const MathCase& each : kCases) {
    std::vector<double> x = {0., -0., 1., -1., 0.5, -0.5, 1e-310, -1e-310, 5e-324, INFINITY, -INFINITY, NAN};
    std::uniform_real_distribution<double> exponent(-60, std::log2(each.limit64)), flat(-20, 20);
    for (int i = 0; i < 100000; ++i) {
      x.push_back((i % 2 ? 1 : -1) * std::exp2(exponent(random)));
      x.push_back(flat(random));
    }
    std::vector<double> found = apply(object->find(caseName(each, DType::kFloat64)), x);
    double worst = 0, at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double error = ulpsBetween(found[i], each.truth(x[i])) * std::numeric_limits<double>::epsilon();
      if (error > worst) worst = error, at = x[i];
    }
    EXPECT_LE(worst, kAllowedRelative64) << each.name << " at " << at;
    if (std::getenv("SHARDWRIGHT_PRINT_ULPS")) std::printf("%-12s %.3g at %g\n", each.name, worst, at);
  }
}

TEST_P(LaneMathOn, zeros_keep_their_sign) {
  auto object = compileCases(GetParam(), DType::kFloat32);
  ASSERT_NE(object, nullptr);
  for (ScalarOp op : {ScalarOp::kSqrt, ScalarOp::kErf, ScalarOp::kTanh, ScalarOp::kSin, ScalarOp::kTan, ScalarOp::kAsin,
                      ScalarOp::kAtan, ScalarOp::kSinh, ScalarOp::kAsinh, ScalarOp::kAtanh}) {
    for (const MathCase& each : kCases) {
      if (each.op != op) continue;
      float found = apply(object->find(caseName(each, DType::kFloat32)), std::vector<float>{-0.f})[0];
      EXPECT_TRUE(found == 0 && std::signbit(found)) << each.name;
    }
  }
}

template <typename T>
std::vector<T> applyBinary(Function function, std::vector<T> x, std::vector<T> y) {
  std::vector<T> z(x.size());
  int64_t count = static_cast<int64_t>(x.size());
  int64_t sizes[] = {1, count, count, 1, count, 1, count, 1};
  void* buffers[] = {x.data(), y.data(), z.data()};
  function(buffers, sizes, 0, 1);
  return z;
}

template <typename T>
void pairs(std::vector<T>& x, std::vector<T>& y, double largest) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> exponent(-largest, largest), flat(-9, 9);
  for (int i = 0; i < 100000; ++i) {
    x.push_back(static_cast<T>(std::exp2(exponent(random)) * (i % 3 ? 1 : -1)));
    y.push_back(static_cast<T>(i % 2 ? flat(random) : std::round(flat(random))));
    x.push_back(static_cast<T>(flat(random)));
    y.push_back(static_cast<T>(std::round(flat(random) * 4)));
  }
  const double specials[] = {0.,   -0.,   1.,    -1.,      2.,        -2., 3., -3., 0.5, -0.5,
                             1e30, -1e30, 1e-30, INFINITY, -INFINITY, NAN, 4., 7.,  33., -33.};
  for (double a : specials) {
    for (double b : specials) {
      x.push_back(static_cast<T>(a));
      y.push_back(static_cast<T>(b));
    }
  }
}

TEST_P(LaneMathOn, pow_of_pairs_and_of_all_specials) {
  LoopNest nest32 = binaryNest("pow32", ScalarOp::kPow, DType::kFloat32, DType::kFloat32);
  LoopNest nest64 = binaryNest("pow64", ScalarOp::kPow, DType::kFloat64, DType::kFloat64);
  auto object = compileNests({nest32, nest64}, GetParam());
  ASSERT_NE(object, nullptr);
  std::vector<float> x, y;
  pairs(x, y, 40);
  std::vector<float> found = applyBinary(object->find("pow32"), x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_LE(ulpsBetween(found[i], std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]))), 1)
        << x[i] << "^" << y[i] << " = " << found[i];
  }
  std::vector<double> u, v;
  pairs(u, v, 200);
  std::vector<double> wide = applyBinary(object->find("pow64"), u, v);
  for (size_t i = 0; i < u.size(); ++i) {
    ASSERT_LE(ulpsBetween(wide[i], std::pow(static_cast<long double>(u[i]), static_cast<long double>(v[i]))), 45)
        << u[i] << "^" << v[i] << " = " << wide[i];
  }
  for (double base : {2., 3., -5., 10., 0.25}) {
    for (int power = 0; power <= 12; ++power) {
      EXPECT_EQ(applyBinary(object->find("pow64"), std::vector<double>{base}, std::vector<double>{1. * power})[0],
                std::pow(base, power));
    }
  }
}

TEST_P(LaneMathOn, pow_with_constant_exponents) {
  std::vector<LoopNest> nests;
  const double exponents[] = {0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.7, -3};
  for (double exponent : exponents) {
    LoopNest nest = unaryNest("pow" + std::to_string(nests.size()), ScalarOp::kNeg, DType::kFloat32, DType::kFloat32);
    PhaseBuilder phase(nest.phases[0]);
    nest.phases[0].stores[0].value = phase.op(ScalarOp::kPow, {0, phase.real(exponent)});
    nests.push_back(nest);
  }
  auto object = compileNests(nests, GetParam());
  ASSERT_NE(object, nullptr);
  for (size_t n = 0; n < nests.size(); ++n) {
    std::vector<float> found = apply(object->find(nests[n].name), floatSamples());
    for (size_t i = 0; i < found.size(); ++i) {
      double truth =
          std::pow(static_cast<double>(floatSamples()[i]), static_cast<double>(static_cast<float>(exponents[n])));
      ASSERT_LE(ulpsBetween(found[i], truth), 4) << floatSamples()[i] << "^" << exponents[n] << " = " << found[i];
    }
  }
}

TEST_P(LaneMathOn, float_remainders_are_exact) {
  std::vector<LoopNest> nests = {binaryNest("fmod32", ScalarOp::kFMod, DType::kFloat32, DType::kFloat32),
                                 binaryNest("mod32", ScalarOp::kMod, DType::kFloat32, DType::kFloat32),
                                 binaryNest("fmod64", ScalarOp::kFMod, DType::kFloat64, DType::kFloat64)};
  auto object = compileNests(nests, GetParam());
  ASSERT_NE(object, nullptr);
  std::vector<float> x, y;
  pairs(x, y, 120);
  std::swap(x, y);
  for (auto [a, b] : {std::pair(7.f, -3.f), {-7.f, 3.f}, {1e38f, 1e-40f}, {5e-45f, 3e-45f}, {6.f, 3.f}, {-6.f, 3.f}})
    x.push_back(a), y.push_back(b);
  std::vector<float> found = applyBinary(object->find("fmod32"), x, y),
                     floored = applyBinary(object->find("mod32"), x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    float rest = std::fmod(x[i], y[i]);
    ASSERT_EQ(ulpsBetween(found[i], rest), 0) << x[i] << " " << y[i];
    float expected = rest != 0 && (rest < 0) != (y[i] < 0) ? rest + y[i] : rest;
    ASSERT_EQ(ulpsBetween(floored[i], expected), 0) << x[i] << " " << y[i] << " " << floored[i];
  }
  std::vector<double> u, v;
  pairs(u, v, 900);
  u.push_back(1e300), v.push_back(5e-324), u.push_back(1e-310), v.push_back(3e-320);
  std::vector<double> wide = applyBinary(object->find("fmod64"), u, v);
  for (size_t i = 0; i < u.size(); ++i)
    ASSERT_EQ(ulpsBetween(wide[i], static_cast<long double>(std::fmod(u[i], v[i]))), 0) << u[i] << " " << v[i];
}

INSTANTIATE_TEST_SUITE_P(Cpus, LaneMathOn, ::testing::Values("", "x86-64-v2", "x86-64-v3"),
                         [](const auto& info) { return *info.param ? std::string(info.param).substr(7) : "host"; });

}  // namespace
}  // namespace shardwright::testing
