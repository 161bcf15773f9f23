// Owns the running of a case: compiled for no mesh and for its mesh by the shipped line, run by the shipped runtime, compared. It does
// not own cases.
#pragma once

#include <chrono>
#include <functional>

#include "tests/random/random_case.h"

namespace shardwright {

// kEqualButForRefusals: equal without what the user cannot have (refusals.h); the message is the refusals.
enum class Verdict { kEqual, kEqualButForRefusals, kWholeFails, kShardedFails, kDiffers, kCrashes, kHangs };

struct Outcome {
  Verdict verdict = Verdict::kEqual;
  std::string message;

  bool isGood() const { return verdict == Verdict::kEqual || verdict == Verdict::kEqualButForRefusals; }
};

// In this process. Where `keep` is given, it is filled with the model, the
// inputs and, as expected outputs, those of the plan without a mesh, in the layout of ONNX's test data.
Outcome runCase(const RandomCase& made, const std::string& keep = "");

struct Isolation {
  int numAtOnce = 1;
  std::chrono::seconds deadline{60};
  std::string keep;  // as runCase's, a folder in it for each case: its number
};

// Runs in processes of their own, so that a crash or a hang is an outcome too; `done` hears of every outcome, in any order. No other
// thread may run in this process.
void runIsolated(const std::vector<RandomCase>& cases, const Isolation& isolation,
                 const std::function<void(size_t, const Outcome&)>& done);
Outcome runIsolated(const RandomCase& made);

// The smallest case found that ends as this one does: without what can be taken away from the graph, the annotations and the mesh.
RandomCase minimize(RandomCase failing, const Outcome& outcome);

}  // namespace shardwright
