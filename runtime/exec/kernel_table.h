// Owns the kernels of a rank: one object per kernel step of the programs it may run, made once when the plan is loaded.
// It knows which operands are constants, and neither loads nor packs them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/exec/plan_image.h"
#include "runtime/exec/window.h"
#include "runtime/kernels/kernel.h"

namespace shardwright {

// An operand of a kernel that is a constant of this rank, the same at all sizes.
struct ConstantUse {
  int program = 0, step = 0, input = 0;
  int constant = 0;    // index into Plan.constants
  Window window;       // on the constant
  std::string layout;  // uses of equal text get equal packed bytes
};

class KernelTable {
 public:
  // The kernels of all programs that `stage` runs in any entry. `sizes` are evaluated at the rank's coordinates alone;
  // steps whose guard is 0 there are left out.
  static StatusOr<KernelTable> make(const PlanImage& image, int stage, const Sizes& sizes);

  Kernel& kernel(int program, int step) const { return *kernels_.at({program, step}); }
  // In the order of programs, steps and inputs.
  const std::vector<ConstantUse>& constantUses() const { return uses_; }
  // Per constant: whether anything but the uses above looks at its bytes; of init programs, whether anything does.
  const std::vector<bool>& neededAsIs() const { return neededAsIs_; }
  const std::vector<bool>& neededByInit() const { return neededByInit_; }

 private:
  Status addProgram(const PlanImage& image, int program, bool init, const Sizes& sizes);
  Status addKernel(const PlanImage& image, int program, int step, bool init, const Sizes& sizes);
  void look(const plan::Program& program, const plan::View& view, bool init);

  std::map<std::pair<int, int>, std::unique_ptr<Kernel>> kernels_;
  std::vector<bool> added_;
  std::vector<ConstantUse> uses_;
  std::vector<bool> neededAsIs_, neededByInit_;
};

// Whether the kernel of a kernel step is there and accepts it: the verifier that the plan's checker calls.
Status verifyKernelStep(const plan::Plan& plan, const plan::Program& program, const plan::Step& step);

// The attributes that are expressions, with their values at these sizes.
Attrs sizeAttributes(const plan::KernelStep& step, const Sizes& sizes);

}  // namespace shardwright
