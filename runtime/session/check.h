// Owns the comparison of a run's outputs with expected ones. It reads no files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/host_tensor.h"
#include "runtime/base/status.h"

namespace shardwright {

struct Tolerance {
  double relative = 1e-3, absolute = 1e-4;
};

struct Comparison {
  double maxAbsError = 0;
  double maxRelError = 0;  // where the expected element is not 0
  int64_t numWrong = 0;    // elements past the tolerance
  int64_t firstWrong = -1;
  std::string mismatch;  // a type or dims that differ: nothing was compared

  bool ok() const { return mismatch.empty() && numWrong == 0; }
};

// |actual - expected| <= absolute + relative·|expected|, element by element; NaN equals NaN, an infinity itself. An error
// that is not a number counts as infinite.
Comparison compare(const HostTensor& actual, const HostTensor& expected, const Tolerance& tolerance);

// kCheckFailed with a line per output that is wrong; kUserError if no output is expected at all.
Status checkOutputs(const std::vector<std::string>& names, const std::vector<HostTensor>& actual,
                    const std::vector<std::optional<HostTensor>>& expected, const Tolerance& tolerance,
                    std::vector<std::optional<Comparison>>* comparisons);

}  // namespace shardwright
