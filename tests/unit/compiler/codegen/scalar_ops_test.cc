// Every scalar operation on every dtype against the interpreter, on all pairs of telling values.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "compiler/codegen/scalar_op.h"
#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kBool,
                            DType::kInt8,    DType::kInt16,   DType::kInt32,   DType::kInt64,    DType::kUint8,
                            DType::kUint16,  DType::kUint32,  DType::kUint64};

bool isNumber(DType type) { return isFloat(type) || isInteger(type); }

// Result types of an operation on inputs of one type; empty if it does not take them.
std::vector<DType> resultTypes(ScalarOp op, DType from) {
  switch (traitsOf(op).types) {
    case TypeRule::kFloat:
      return isFloat(from) ? std::vector<DType>{from} : std::vector<DType>{};
    case TypeRule::kNumber:
      return isNumber(from) ? std::vector<DType>{from} : std::vector<DType>{};
    case TypeRule::kInteger:
      return isInteger(from) ? std::vector<DType>{from} : std::vector<DType>{};
    case TypeRule::kBool:
      return from == DType::kBool ? std::vector<DType>{from} : std::vector<DType>{};
    case TypeRule::kFloatTest:
      return isFloat(from) ? std::vector<DType>{DType::kBool} : std::vector<DType>{};
    case TypeRule::kEquality:
      return {DType::kBool};
    case TypeRule::kComparison:
      return isNumber(from) ? std::vector<DType>{DType::kBool} : std::vector<DType>{};
    case TypeRule::kCast:
      return {std::begin(kTypes), std::end(kTypes)};
    case TypeRule::kBitCast: {
      std::vector<DType> types;
      for (DType to : kTypes) {
        if (bitWidth(to) == bitWidth(from) && (to == DType::kBool) == (from == DType::kBool)) types.push_back(to);
      }
      return types;
    }
    default:
      return {};
  }
}

std::vector<Scalar> valuesOf(DType type) {
  std::vector<Scalar> values;
  if (type == DType::kBool) return {{0, 1}, {0, 0}, {0, 1}};
  if (isFloat(type)) {
    for (double x : {0.,
                     1.,
                     2.,
                     3.,
                     0.5,
                     0.25,
                     1.5,
                     2.5,
                     3.5,
                     0.3,
                     0.7,
                     7.75,
                     11.,
                     100.3,
                     127.5,
                     255.9,
                     300.,
                     32768.5,
                     70000.,
                     1e-5,
                     6e-8,
                     1e-40,
                     3e9,
                     1e10,
                     9.3e18,
                     2e19,
                     3e38,
                     1e300,
                     double(INFINITY),
                     double(NAN)}) {
      values.push_back({x, 0});
      values.push_back({-x, 0});
    }
    return values;
  }
  for (int64_t x : {0, 1, 2, 3, 5, 7, 8, 11, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 1000, 32767, 65535, 1 << 20}) {
    values.push_back({0, x});
    values.push_back({0, -x});
  }
  for (uint64_t x : {1ull << 31, (1ull << 31) - 1, 1ull << 63, (1ull << 63) - 1, 0x123456789abcdefull, 1ull << 53}) {
    values.push_back({0, static_cast<int64_t>(x)});
    values.push_back({0, static_cast<int64_t>(0 - x)});
  }
  return values;
}

struct Bytes {
  std::vector<char> data;
  Bytes(size_t count, DType type) : data(count * static_cast<size_t>(bitWidth(type) / 8)) {}
};

// Exact, but for functions that both sides approximate.
double allowedUlps(ScalarOp op, DType type) {
  if (!isFloat(type)) return 0;
  bool approximate = traitsOf(op).types == TypeRule::kFloat || op == ScalarOp::kPow;
  if (!approximate) return 0;
  return type == DType::kFloat64 ? 45 : 4;
}

// In units of the type itself: one step of a 16-bit type may hide which side of a tie the float was.
bool close(Scalar found, Scalar expected, DType type, double ulps) {
  if (!isFloat(type)) return found.whole == expected.whole;
  if (type == DType::kFloat64) return ulpsBetween(found.real, static_cast<long double>(expected.real)) <= ulps;
  float a = static_cast<float>(found.real), b = static_cast<float>(expected.real);
  if (type == DType::kFloat32 || ulps == 0) return ulpsBetween(a, b) <= ulps;
  int scale = type == DType::kFloat16 ? 13 : 16;
  double magnitude = std::max(std::fabs(b), type == DType::kFloat16 ? 0x1p-14f : 0x1p-126f);
  if (std::isnan(a) || std::isnan(b) || std::isinf(a) || std::isinf(b)) return ulpsBetween(a, b) == 0;
  return std::fabs(a - b) <= std::ldexp(magnitude, scale - 23);
}

struct OpCase {
  ScalarOp op;
  DType from, to;
  LoopNest nest;
};

std::vector<OpCase> casesOf(int arity) {
  std::vector<OpCase> cases;
  for (int op = static_cast<int>(ScalarOp::kNeg); op < static_cast<int>(ScalarOp::kSelect); ++op) {
    ScalarOp each = static_cast<ScalarOp>(op);
    if (traitsOf(each).arity != arity) continue;
    for (DType from : kTypes) {
      for (DType to : resultTypes(each, from)) {
        std::string name =
            std::string(traitsOf(each).name) + "_" + std::string(dtypeName(from)) + "_" + std::string(dtypeName(to));
        cases.push_back(
            {each, from, to, arity == 1 ? unaryNest(name, each, from, to) : binaryNest(name, each, from, to)});
      }
    }
  }
  return cases;
}

std::unique_ptr<LoadedObject> compileCases(const std::vector<OpCase>& cases, const char* cpu) {
  std::vector<LoopNest> nests;
  for (const OpCase& each : cases) nests.push_back(each.nest);
  return compileNests(nests, cpu);
}

std::string text(Scalar value, DType type) {
  return isFloat(type) ? std::to_string(value.real) : std::to_string(value.whole);
}

class ScalarOpsOn : public ::testing::TestWithParam<const char*> {};

TEST_P(ScalarOpsOn, unary_operations_equal_the_interpreter) {
  std::vector<OpCase> cases = casesOf(1);
  EXPECT_GT(cases.size(), 300u);
  auto object = compileCases(cases, GetParam());
  ASSERT_NE(object, nullptr);
  for (const OpCase& each : cases) {
    std::vector<Scalar> values = valuesOf(each.from);
    int64_t count = static_cast<int64_t>(values.size());
    Bytes x(values.size(), each.from), found(values.size(), each.to), expected(values.size(), each.to);
    for (int64_t i = 0; i < count; ++i) writeElement(x.data.data(), i, each.from, values[static_cast<size_t>(i)]);
    int64_t sizes[] = {1, count, count, 1, count, 1};
    void* a[] = {x.data.data(), found.data.data()};
    void* b[] = {x.data.data(), expected.data.data()};
    object->find(each.nest.name)(a, sizes, 0, 1);
    interpret(each.nest, b, sizes, 0, 1);
    for (int64_t i = 0; i < count; ++i) {
      Scalar got = readElement(found.data.data(), i, each.to), want = readElement(expected.data.data(), i, each.to);
      bool isAngle = each.op == ScalarOp::kSin || each.op == ScalarOp::kCos || each.op == ScalarOp::kTan;
      if (isAngle && each.from == DType::kFloat64 && std::fabs(values[static_cast<size_t>(i)].real) > 1e6) {
        EXPECT_FALSE(each.op != ScalarOp::kTan && std::fabs(got.real) > 1) << each.nest.name;
        continue;
      }
      EXPECT_TRUE(close(got, want, each.to, allowedUlps(each.op, each.to)))
          << each.nest.name << " of " << text(readElement(x.data.data(), i, each.from), each.from) << ": "
          << text(got, each.to) << ", expected " << text(want, each.to);
    }
  }
}

TEST_P(ScalarOpsOn, binary_operations_equal_the_interpreter) {
  std::vector<OpCase> cases = casesOf(2);
  EXPECT_GT(cases.size(), 150u);
  auto object = compileCases(cases, GetParam());
  ASSERT_NE(object, nullptr);
  for (const OpCase& each : cases) {
    std::vector<Scalar> values = valuesOf(each.from);
    int64_t side = static_cast<int64_t>(values.size()), count = side * side;
    Bytes x(count, each.from), y(count, each.from), found(count, each.to), expected(count, each.to);
    for (int64_t i = 0; i < count; ++i) {
      writeElement(x.data.data(), i, each.from, values[static_cast<size_t>(i / side)]);
      writeElement(y.data.data(), i, each.from, values[static_cast<size_t>(i % side)]);
    }
    int64_t sizes[] = {1, count, count, 1, count, 1, count, 1};
    void* a[] = {x.data.data(), y.data.data(), found.data.data()};
    void* b[] = {x.data.data(), y.data.data(), expected.data.data()};
    object->find(each.nest.name)(a, sizes, 0, 1);
    interpret(each.nest, b, sizes, 0, 1);
    int wrong = 0;
    for (int64_t i = 0; i < count && wrong < 3; ++i) {
      Scalar got = readElement(found.data.data(), i, each.to), want = readElement(expected.data.data(), i, each.to);
      if (close(got, want, each.to, allowedUlps(each.op, each.to))) continue;
      ++wrong;
      ADD_FAILURE() << each.nest.name << " of " << text(readElement(x.data.data(), i, each.from), each.from) << " and "
                    << text(readElement(y.data.data(), i, each.from), each.from) << ": " << text(got, each.to)
                    << ", expected " << text(want, each.to);
    }
  }
}

TEST_P(ScalarOpsOn, select_takes_either_side_of_every_type) {
  std::vector<LoopNest> nests;
  for (DType type : kTypes) {
    LoopNest nest = binaryNest("select_" + std::string(dtypeName(type)), ScalarOp::kAdd, type, type);
    nest.operands.push_back({DType::kBool, false, {kR, kU}});
    nest.phases[0].nodes.pop_back();  // the sum
    PhaseBuilder phase(nest.phases[0]);
    nest.phases[0].stores[0].value = phase.op(ScalarOp::kSelect, type, {phase.load(3, DType::kBool), 0, 1});
    nests.push_back(nest);
  }
  auto object = compileNests(nests, GetParam());
  ASSERT_NE(object, nullptr);
  for (size_t t = 0; t < nests.size(); ++t) {
    DType type = kTypes[t];
    constexpr int64_t kCount = 37;
    Bytes x(kCount, type), y(kCount, type), found(kCount, type), expected(kCount, type);
    std::vector<uint8_t> condition;
    for (int64_t i = 0; i < kCount; ++i) {
      writeElement(x.data.data(), i, type, {i + 1., i % 2});
      writeElement(y.data.data(), i, type, {-i - 1., (i + 1) % 2});
      condition.push_back(static_cast<uint8_t>(i % 3 == 0 ? 0 : i));  // every byte but 0 is true
    }
    int64_t sizes[] = {1, kCount, kCount, 1, kCount, 1, kCount, 1, kCount, 1};
    void* a[] = {x.data.data(), y.data.data(), found.data.data(), condition.data()};
    void* b[] = {x.data.data(), y.data.data(), expected.data.data(), condition.data()};
    object->find(nests[t].name)(a, sizes, 0, 1);
    interpret(nests[t], b, sizes, 0, 1);
    EXPECT_EQ(found.data, expected.data) << nests[t].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpus, ScalarOpsOn, ::testing::Values("", "x86-64-v2"),
                         [](const auto& info) { return *info.param ? std::string(info.param).substr(7) : "host"; });

}  // namespace
}  // namespace shardwright::testing
