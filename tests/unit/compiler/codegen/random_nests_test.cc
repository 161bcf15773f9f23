// Random nests against the interpreter: dims, layouts, types, phases, reductions; whole and cut. A failure prints its seed;
// SHARDWRIGHT_SEED and SHARDWRIGHT_NESTS choose others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16,
                            DType::kInt64,   DType::kInt32,   DType::kUint8,   DType::kInt16,   DType::kBool};

struct RandomNest {
  LoopNest nest;
  std::vector<int64_t> sizes;
  std::vector<int64_t> counts;  // elements of each operand's buffer
  int64_t outerPoints = 1;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  int below(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  bool chance(int percent) { return below(100) < percent; }

  RandomNest make(const std::string& name) {
    result_ = RandomNest();
    LoopNest& nest = result_.nest;
    nest.name = name;
    nest.numOuter = below(4);
    nest.numInner = below(3);
    nest.numParams = 1;
    extents_.clear();
    for (int d = 0; d < nest.numOuter; ++d)
      extents_.push_back(chance(5) ? 0 : 1 + below(d + 1 == nest.numOuter ? 70 : 4));
    for (int d = 0; d < nest.numInner; ++d)
      extents_.push_back(chance(5) ? 0 : 1 + below(d + 1 == nest.numInner ? 70 : 4));
    for (int d = 0; d < nest.numOuter; ++d) result_.outerPoints *= extents_[d];
    int inputs = 1 + below(3);
    for (int i = 0; i < inputs; ++i) addOperand(false, false);
    int phases = 1 + below(3);
    reducedTypes_.clear();
    for (int p = 0; p < phases; ++p) addPhase(p + 1 == phases);
    result_.sizes = extents_;
    result_.sizes.insert(result_.sizes.end(), strides_.begin(), strides_.end());
    result_.sizes.push_back(5);
    strides_.clear();
    return std::move(result_);
  }

  void fill(std::vector<char>& bytes, DType type) {
    int64_t count = static_cast<int64_t>(bytes.size()) * 8 / bitWidth(type);
    for (int64_t i = 0; i < count; ++i) {
      int value = below(5) - 2;
      writeElement(bytes.data(), i, type,
                   {value == 0 ? 0.5 : value, type == DType::kBool ? value > 0
                                              : value == 0         ? 3
                                                                   : value});
    }
  }

 private:
  int addOperand(bool written, bool once) {
    LoopNest& nest = result_.nest;
    Operand operand;
    operand.dtype = kTypes[below(std::size(kTypes))];
    operand.written = written;
    int dims = nest.numOuter + nest.numInner;
    operand.strides.assign(dims, StrideKind::kRuntime);
    for (int d = 0; d < dims; ++d) {
      bool still = written ? once && d >= nest.numOuter : chance(25);
      if (still) operand.strides[d] = StrideKind::kZero;
    }
    // Row major in a random order of the dims, with gaps; mostly the true order.
    std::vector<int> order(dims);
    for (int d = 0; d < dims; ++d) order[d] = d;
    if (chance(30)) std::shuffle(order.begin(), order.end(), random_);
    std::vector<int64_t> strides(dims, 0);
    int64_t next = 1, last = 0;
    bool gaps = chance(40);
    for (int i = dims - 1; i >= 0; --i) {
      int d = order[i];
      if (operand.strides[d] == StrideKind::kZero) continue;
      if (gaps && chance(30)) next += 1 + below(3);
      strides[d] = next;
      if (next == 1 && chance(85)) operand.strides[d] = StrideKind::kUnit;
      last += (std::max<int64_t>(extents_[d], 1) - 1) * next;
      next *= std::max<int64_t>(extents_[d], 1);
      if (next == 1 && extents_[d] <= 1) next = 2;  // two dims of extent 1 need not share a stride
    }
    strides_.insert(strides_.end(), strides.begin(), strides.end());
    result_.counts.push_back(last + 1);
    nest.operands.push_back(operand);
    return static_cast<int>(nest.operands.size()) - 1;
  }

  int pick(PhaseBuilder& phase, DType type, bool uniform, int depth) {
    bool number = type != DType::kBool;
    if (depth <= 0 || chance(15)) return leaf(phase, type, uniform);
    switch (below(number ? 7 : 3)) {
      case 0: {
        DType from = kTypes[below(std::size(kTypes))];
        return phase.cast(type, pick(phase, from, uniform, depth - 1));
      }
      case 1: {
        int condition = pick(phase, DType::kBool, uniform, depth - 2);
        int then = pick(phase, type, uniform, depth - 1);
        return phase.op(ScalarOp::kSelect, type, {condition, then, pick(phase, type, uniform, depth - 1)});
      }
      default:
        break;
    }
    if (!number) {
      DType from = kTypes[below(std::size(kTypes) - 1)];
      int left = pick(phase, from, uniform, depth - 1);
      return phase.op(chance(50) ? ScalarOp::kLess : ScalarOp::kEqual, DType::kBool,
                      {left, pick(phase, from, uniform, depth - 1)});
    }
    constexpr ScalarOp kOps[] = {ScalarOp::kAdd, ScalarOp::kSub, ScalarOp::kMul, ScalarOp::kMax, ScalarOp::kMin};
    int left = pick(phase, type, uniform, depth - 1);
    return phase.op(kOps[below(5)], type, {left, pick(phase, type, uniform, depth - 1)});
  }

  bool isStill(int operand) const {
    const LoopNest& nest = result_.nest;
    for (int d = 0; d < nest.numInner; ++d) {
      if (nest.operands[operand].strides[nest.numOuter + d] != StrideKind::kZero) return false;
    }
    return true;
  }

  // Of that type by a cast if there is none; a uniform one does not vary over the inner dims.
  int leaf(PhaseBuilder& phase, DType type, bool uniform) {
    if (!reducedTypes_.empty() && chance(30)) {
      int number = below(static_cast<int>(reducedTypes_.size()));
      int value = phase.reduced(number, reducedTypes_[number]);
      return bounded(phase, type, value, reducedTypes_[number]);
    }
    int dims = result_.nest.numOuter + (uniform ? 0 : result_.nest.numInner);
    if (dims > 0 && chance(10)) return phase.cast(type, phase.index(below(dims)));
    if (chance(8)) return phase.cast(type, phase.param(0));
    int operand = below(static_cast<int>(result_.nest.operands.size()));
    const Operand& chosen = result_.nest.operands[operand];
    if (chosen.written || (uniform && !isStill(operand))) {
      return isFloat(type) ? phase.real(below(7) - 3, type) : phase.whole(below(7) - 3, type);
    }
    int loaded = phase.load(operand, chosen.dtype);
    return chosen.dtype == type ? loaded : phase.cast(type, loaded);
  }

  // Reduced values are cut down, so that sums of sums stay exact.
  int bounded(PhaseBuilder& phase, DType type, int value, DType from) {
    if (from == DType::kBool) return phase.cast(type, value);
    auto number = [&](int v) { return isFloat(from) ? phase.real(v, from) : phase.whole(v, from); };
    int low = phase.op(ScalarOp::kMin, from, {value, number(9)});
    int both = isFloat(from) || from != DType::kUint8 ? phase.op(ScalarOp::kMax, from, {low, number(-9)}) : low;
    return from == type ? both : phase.cast(type, both);
  }

  void addPhase(bool last) {
    result_.nest.phases.emplace_back();
    Phase& phase = result_.nest.phases.back();
    PhaseBuilder builder(phase);
    int reductions = last ? below(2) : 1 + below(2);
    std::vector<DType> own;
    for (int r = 0; r < reductions; ++r) {
      DType type = kTypes[below(std::size(kTypes))];
      int value = pick(builder, type, false, 3);
      using Kind = Reduction::Kind;
      Kind kind = type == DType::kBool ? (chance(50) ? Kind::kAnd : Kind::kOr) : static_cast<Kind>(below(4));
      if (isFloat(type) && kind == Kind::kProd) kind = Kind::kSum;
      builder.reduce(kind, value);
      own.push_back(type);
    }
    bool stored = false;
    if (chance(60) || (last && reductions == 0)) stored = addStore(builder, false);
    reducedTypes_.insert(reducedTypes_.end(), own.begin(), own.end());  // a store after the loops may use them
    if (result_.nest.numInner > 0 && (chance(40) || (last && !stored))) addStore(builder, true);
  }

  bool addStore(PhaseBuilder& builder, bool once) {
    int operand = addOperand(true, once);
    builder.store(operand, pick(builder, result_.nest.operands[operand].dtype, once, 3));
    return true;
  }

  std::mt19937 random_;
  RandomNest result_;
  std::vector<int64_t> extents_, strides_;
  std::vector<DType> reducedTypes_;
};

bool close(Scalar found, Scalar expected, DType type) {
  if (!isFloat(type)) return found.whole == expected.whole;
  if (found.real == expected.real || (std::isnan(found.real) && std::isnan(expected.real))) return true;
  double tolerance = type == DType::kFloat16 ? 2e-3 : type == DType::kBFloat16 ? 1e-2 : 1e-5;
  return std::fabs(found.real - expected.real) <= tolerance * std::max(1.0, std::fabs(expected.real));
}

using Buffers = std::vector<std::vector<char>>;

// Before and after each operand, where nothing may be written.
constexpr size_t kGuardBytes = 256;

std::vector<void*> pointersOf(Buffers& buffers) {
  std::vector<void*> pointers;
  for (std::vector<char>& buffer : buffers) pointers.push_back(buffer.data() + kGuardBytes);
  return pointers;
}

void checkNest(const RandomNest& random, Function function, unsigned seed) {
  Generator values(seed);
  Buffers start;
  for (size_t i = 0; i < random.counts.size(); ++i) {
    DType type = random.nest.operands[i].dtype;
    start.emplace_back(static_cast<size_t>(random.counts[i] * bitWidth(type) / 8));
    values.fill(start.back(), type);
    start.back().insert(start.back().begin(), kGuardBytes, 90);
    start.back().insert(start.back().end(), kGuardBytes, 91);
  }
  Buffers whole = start, cut = start, expected = start;
  function(pointersOf(whole).data(), random.sizes.data(), 0, random.outerPoints);
  interpret(random.nest, pointersOf(expected).data(), random.sizes.data(), 0, random.outerPoints);
  for (int64_t begin = 0; begin < random.outerPoints;) {
    int64_t end = std::min<int64_t>(random.outerPoints, begin + 1 + values.below(40));
    function(pointersOf(cut).data(), random.sizes.data(), begin, end);
    begin = end;
  }
  std::string sizes;
  for (int64_t size : random.sizes) sizes += " " + std::to_string(size);
  for (size_t i = 0; i < start.size(); ++i) {
    EXPECT_EQ(whole[i], cut[i]) << "operand " << i << " differs when cut\n" << random.nest.str() << sizes;
    for (std::vector<char>* buffer : {&whole[i], &expected[i]}) {
      EXPECT_EQ(std::count(buffer->begin(), buffer->begin() + kGuardBytes, 90), kGuardBytes)
          << random.nest.str() << sizes;
      EXPECT_EQ(std::count(buffer->end() - kGuardBytes, buffer->end(), 91), kGuardBytes) << random.nest.str() << sizes;
    }
    DType type = random.nest.operands[i].dtype;
    for (int64_t e = 0; e < random.counts[i]; ++e) {
      Scalar got = readElement(whole[i].data() + kGuardBytes, e, type),
             want = readElement(expected[i].data() + kGuardBytes, e, type);
      if (close(got, want, type)) continue;
      ADD_FAILURE() << "operand " << i << " element " << e << ": " << got.real << "/" << got.whole << ", expected "
                    << want.real << "/" << want.whole << "\n"
                    << random.nest.str() << "sizes" << sizes;
      break;
    }
  }
}

TEST(RandomNests, equal_the_interpreter_whole_and_cut) {
  const char* chosen = std::getenv("SHARDWRIGHT_SEED");
  const char* count = std::getenv("SHARDWRIGHT_NESTS");
  unsigned first = chosen ? static_cast<unsigned>(std::atoi(chosen)) : 1;
  unsigned nests = count ? static_cast<unsigned>(std::atoi(count)) : 60;
  for (const char* cpu : {"", "x86-64-v3"}) {
    std::vector<RandomNest> randoms;
    std::vector<LoopNest> compiled;
    for (unsigned n = 0; n < nests; ++n) {
      randoms.push_back(Generator(first + n).make("random" + std::to_string(first + n)));
      ASSERT_TRUE(randoms.back().nest.verify().ok())
          << randoms.back().nest.verify().message() << randoms.back().nest.str();
      compiled.push_back(randoms.back().nest);
    }
    auto object = compileNests(compiled, cpu);
    ASSERT_NE(object, nullptr);
    for (unsigned n = 0; n < nests && !HasFailure(); ++n) {
      SCOPED_TRACE("seed " + std::to_string(first + n) + " " + cpu);
      checkNest(randoms[n], object->find(compiled[n].name), first + n);
    }
  }
}

}  // namespace
}  // namespace shardwright::testing
