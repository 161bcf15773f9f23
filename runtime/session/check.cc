#include "runtime/session/check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "runtime/session/size_binding.h"

namespace shardwright {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string typeText(const HostTensor& tensor) {
  return std::string(dtypeName(tensor.dtype)) + " " + dimsText(tensor.dims);
}

std::vector<int64_t> positionOf(int64_t index, const std::vector<int64_t>& dims) {
  std::vector<int64_t> position(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    position[i] = index % dims[i];
    index /= dims[i];
  }
  return position;
}

std::string failureText(const std::string& name, const Comparison& found, const HostTensor& actual,
                        const HostTensor& expected, const Tolerance& tolerance) {
  if (!found.mismatch.empty()) return "output '" + name + "': " + found.mismatch;
  return "output '" + name + "': " + std::to_string(found.numWrong) + " of " + std::to_string(actual.count()) +
         " elements are wrong, the first at " + dimsText(positionOf(found.firstWrong, actual.dims)) + ": found " +
         number(elementAsDouble(actual.dtype, actual.bytes.get(), found.firstWrong)) + ", expected " +
         number(elementAsDouble(expected.dtype, expected.bytes.get(), found.firstWrong)) + "; the largest error is " +
         number(found.maxAbsError) + ", allowed is " + number(tolerance.absolute) + " + " + number(tolerance.relative) +
         " of the value";
}

}  // namespace

Comparison compare(const HostTensor& actual, const HostTensor& expected, const Tolerance& tolerance) {
  Comparison result;
  if (actual.dtype != expected.dtype || actual.dims != expected.dims) {
    result.mismatch = "found " + typeText(actual) + ", expected " + typeText(expected);
    return result;
  }
  for (int64_t i = 0; i < actual.count(); ++i) {
    double a = elementAsDouble(actual.dtype, actual.bytes.get(), i);
    double b = elementAsDouble(expected.dtype, expected.bytes.get(), i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    double error = std::fabs(a - b);
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    result.maxAbsError = std::max(result.maxAbsError, error);
    if (b != 0) result.maxRelError = std::max(result.maxRelError, error / std::fabs(b));
    // Written so that a bound that is infinite, because the expected element is, forgives nothing.
    if (std::isfinite(b) && error <= tolerance.absolute + tolerance.relative * std::fabs(b)) continue;
    if (result.numWrong++ == 0) result.firstWrong = i;
  }
  return result;
}

Status checkOutputs(const std::vector<std::string>& names, const std::vector<HostTensor>& actual,
                    const std::vector<std::optional<HostTensor>>& expected, const Tolerance& tolerance,
                    std::vector<std::optional<Comparison>>* comparisons) {
  std::string failures;
  comparisons->assign(actual.size(), std::nullopt);
  for (size_t i = 0; i < actual.size(); ++i) {
    if (!expected[i]) continue;
    Comparison found = compare(actual[i], *expected[i], tolerance);
    if (!found.ok()) {
      failures += (failures.empty() ? "" : "\n") + failureText(names[i], found, actual[i], *expected[i], tolerance);
    }
    (*comparisons)[i] = std::move(found);
  }
  return failures.empty() ? Status() : Status(StatusCode::kCheckFailed, failures);
}

}  // namespace shardwright
