#include "compiler/ops/window.h"

#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

Status setPads(const OpView& op, Window& window) {
  const Exprs dims = op.dims(0);
  const size_t spatial = window.kernel.size();
  const std::string automatic = op.stringAttr("auto_pad", "NOTSET");
  window.padBegin.assign(spatial, Expr(0));
  window.padEnd.assign(spatial, Expr(0));
  if (automatic == "NOTSET") {
    const std::optional<std::vector<int64_t>> pads = op.intsAttr("pads");
    if (!pads) return Status();
    if (pads->size() != 2 * spatial)
      return nodeError(
          op, "has " + std::to_string(pads->size()) + " pads for " + std::to_string(spatial) + " spatial dims");
    for (size_t i = 0; i < spatial; ++i) {
      window.padBegin[i] = (*pads)[i];
      window.padEnd[i] = (*pads)[spatial + i];
    }
    return Status();
  }
  if (automatic == "VALID") return Status();
  if (automatic != "SAME_UPPER" && automatic != "SAME_LOWER")
    return nodeError(op, "has auto_pad \"" + automatic + "\"; known are NOTSET, VALID, SAME_UPPER and SAME_LOWER");
  for (size_t i = 0; i < spatial; ++i) {
    const Expr in = dims[i + 2], stride = window.strides[i];
    const Expr seen =
        (Expr::ceilDiv(in, stride) - Expr(1)) * stride + Expr((window.kernel[i] - 1) * window.dilations[i] + 1);
    const Expr total = op.facts().simplify(Expr::max(seen - in, Expr(0)));
    const Expr smaller = op.facts().simplify(Expr::floorDiv(total, Expr(2)));
    window.padBegin[i] = automatic == "SAME_UPPER" ? smaller : total - smaller;
    window.padEnd[i] = total - window.padBegin[i];
  }
  return Status();
}

}  // namespace

Exprs Window::pads() const {
  Exprs all = padBegin;
  all.append(padEnd.begin(), padEnd.end());
  return all;
}

StatusOr<Window> windowOf(const OpView& op, std::vector<int64_t> kernel) {
  const int spatial = op.rank(0) - 2;
  if (spatial < 1)
    return nodeError(op, "needs an operand [n, c, spatial…], and has rank " + std::to_string(op.rank(0)));
  if (kernel.empty()) kernel = op.intsAttr("kernel_shape").value_or(std::vector<int64_t>());
  Window window;
  window.kernel = kernel;
  window.strides = op.intsAttr("strides").value_or(std::vector<int64_t>(spatial, 1));
  window.dilations = op.intsAttr("dilations").value_or(std::vector<int64_t>(spatial, 1));
  window.roundsUp = op.intAttr("ceil_mode", 0) != 0;
  for (const std::vector<int64_t>* list : {&window.kernel, &window.strides, &window.dilations})
    if (static_cast<int>(list->size()) != spatial)
      return nodeError(op, "has kernel_shape, strides or dilations of " + std::to_string(list->size()) +
                               " elements for " + std::to_string(spatial) + " spatial dims");
  SW_RETURN_IF_ERROR(setPads(op, window));
  return window;
}

// floor((in + pads - extent) / stride) + 1; with ceil_mode the quotient is rounded up, save where the last window would begin
// behind the input and its padding at the front.
Exprs windowCounts(const OpView& op, const Window& window) {
  const Exprs dims = op.dims(0);
  Exprs counts;
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    const Expr stride = window.strides[i], padded = dims[i + 2] + window.padBegin[i];
    const Expr room = padded + window.padEnd[i] - Expr((window.kernel[i] - 1) * window.dilations[i] + 1);
    Expr count = Expr::floorDiv(room, stride) + Expr(1);
    if (window.roundsUp) count = Expr::min(Expr::ceilDiv(room, stride) + Expr(1), Expr::ceilDiv(padded, stride));
    counts.push_back(op.facts().simplify(count));
  }
  return counts;
}

}  // namespace shardwright
