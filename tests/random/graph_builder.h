// Owns a random graph while it grows: its values with what is known of their contents, and the writing of nodes. It does not
// choose which.
#pragma once

#include <functional>
#include <random>

#include "tests/random/random_case.h"

namespace shardwright {

// The same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t first, int64_t last) { return first + below(last - first + 1); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  const T& of(const std::vector<T>& all) {
    return all[static_cast<size_t>(below(static_cast<int64_t>(all.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

// A value of the graph. Of the numbers it holds, |x| <= bound; they are whole numbers, computed without error, where error is 0,
// else off by at most about `error`.
struct GraphValue : CaseValue {
  double bound = 6, error = 0;
  bool isConstant = false;

  int rank() const { return static_cast<int>(dims.size()); }
  bool isFloat() const { return dtype == DType::kFloat32; }
  bool isExact() const { return error == 0; }
  std::optional<int64_t> size(int dim) const { return dims[static_cast<size_t>(dim)].constant(); }
};

class GraphBuilder {
 public:
  // The largest size that a symbol has in any run.
  static constexpr int64_t kMaxSymbol = 9;
  // The largest number of elements of any value.
  static constexpr int64_t kMaxCount = 4000;
  // Beyond it, float32 might not hold sums of whole numbers.
  static constexpr double kMaxExact = 1 << 22;

  GraphBuilder(uint64_t seed, RandomCase& made) : random(seed), made_(made) {}

  // A value, rather a late one, of those that fit; nothing if none does. Constants and those with too large an error are left out.
  std::optional<GraphValue> pick(const std::function<bool(const GraphValue&)>& fits);

  GraphValue addInput(std::vector<Expr> dims, DType dtype = DType::kFloat32, const std::string& filling = "int");
  // Dims must be numbers.
  GraphValue addWeight(std::vector<Expr> dims, DType dtype = DType::kFloat32, const std::string& filling = "int");
  GraphValue addInts(const std::vector<int64_t>& values);
  GraphValue addInt(int64_t value, DType dtype = DType::kInt64);

  // A node of one result, like `result` but for the name; that is given back. Nothing is written, and the result has no name, if it
  // would be too large, or an operand has no name.
  GraphValue add(const std::string& op, const std::vector<std::string>& operands, GraphValue result);
  std::vector<GraphValue> addAll(const std::string& op, const std::vector<std::string>& operands,
                                 std::vector<GraphValue> results);

  // The same value with numbers of at most `bound`: as it is, or its remainders, or clipped.
  GraphValue tame(const GraphValue& value, double bound);

  const std::vector<GraphValue>& values() const { return values_; }

  // Numbers at the largest sizes.
  int64_t largest(Expr e) const;
  int64_t largestCount(const std::vector<Expr>& dims) const;

  Random random;

 private:
  std::string newName(const char* prefix) { return prefix + std::to_string(numNames_++); }

  RandomCase& made_;
  std::vector<GraphValue> values_;
  int numNames_ = 0;
};

}  // namespace shardwright
