// Owns the nodes on which sharding rules are proven. It knows nothing of how.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace shardwright {

// A graph in ONNX's text form. Dims are small, different, and mostly indivisible by 2, 3 and 4.
struct RuleSample {
  const char* name;
  const char* inputs;  // "float[7,5] x, int64[3] i"
  const char* nodes;   // "y = Gather(x, i)"; the results are the outputs that no node reads
  // What the inputs hold, by position, separated by blanks: "int" small integers that are not 0, "positive" 1 to 9, "unit" numbers
  // in (-1, 1), "below N" indices. Missing: "int".
  const char* data = "";
  int opset = 23;
};

const std::vector<RuleSample>& ruleSamples();

// How GoogleTest names one.
inline void PrintTo(const RuleSample& sample, std::ostream* stream) { *stream << sample.nodes; }

}  // namespace shardwright
