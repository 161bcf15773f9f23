#include <algorithm>
#include <cctype>
#include <functional>

#include "compiler/dist/mesh.h"
#include "tests/random/case_runner.h"

namespace shardwright {
namespace {

class Minimizer {
 public:
  Minimizer(RandomCase failing, Outcome outcome)
      : best_(std::move(failing)),
        outcome_(std::move(outcome)),
        maxTries_(outcome_.verdict == Verdict::kHangs ? 12 : 400) {}

  RandomCase run() {
    for (bool changed = true; changed && numTries_ < maxTries_;) {
      changed = keepOneOutput();
      changed |= each(best_.nodes.size(), [](RandomCase& c, size_t i) { return cut(c, i); });
      changed |= each(best_.nodes.size(), [](RandomCase& c, size_t i) { return bypass(c, i); });
      changed |= each(best_.pins.size(), [](RandomCase& c, size_t i) { return erase(c.pins, i); });
      changed |= each(best_.strategies.size(), [](RandomCase& c, size_t i) { return erase(c.strategies, i); });
      changed |= each(Mesh::parse(best_.mesh)->axes().size(), dropAxis);
      changed |=
          each(best_.sizes.size(), [](RandomCase& c, size_t i) { return c.sizes.size() > 1 && erase(c.sizes, i); });
      changed |= each(best_.microbatches > 1, [](RandomCase& c, size_t) { return c.microbatches-- > 1; });
      changed |= each(best_.stages.size(), [](RandomCase& c, size_t i) { return erase(c.stages, i); });
      changed |= each(!best_.schedule.empty(), [](RandomCase& c, size_t) { return c.schedule.clear(), true; });
      changed |= each(best_.memoryPercent > 0, [](RandomCase& c, size_t) { return c.memoryPercent = 0, true; });
      changed |= openDims();
    }
    return best_;
  }

 private:
  // The same words behind the names of nodes, but for numbers, where there are words; numbers that differ are one failure.
  bool isLike(const Outcome& other) const {
    auto words = [](const Outcome& outcome) {
      if (outcome.verdict == Verdict::kDiffers) return std::string();
      std::string text;
      for (char c : outcome.message.substr(std::min(outcome.message.size(), outcome.message.rfind(": ") + 2)))
        if (std::isalpha(static_cast<unsigned char>(c))) text += c;
      return text.substr(0, 24);
    };
    return other.verdict == outcome_.verdict && words(other) == words(outcome_);
  }

  bool accept(RandomCase candidate) {
    candidate.prune();
    if (candidate.given.empty() && (candidate.nodes.empty() || candidate.inputs.empty())) return false;
    if (++numTries_ > maxTries_) return false;
    if (!isLike(runIsolated(candidate))) return false;
    best_ = std::move(candidate);
    return true;
  }

  // Tries the change at every index, from the last one on; a change says whether it applies.
  bool each(size_t count, const std::function<bool(RandomCase&, size_t)>& change) {
    bool changed = false;
    for (size_t i = count; i-- > 0;) {
      RandomCase candidate = best_;
      if (change(candidate, i)) changed |= accept(std::move(candidate));
    }
    return changed;
  }

  template <typename T>
  static bool erase(std::vector<T>& all, size_t i) {
    if (i >= all.size()) return false;
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    return true;
  }

  bool keepOneOutput() {
    if (best_.outputs.size() <= 1) return false;
    for (const CaseOutput& output : best_.outputs) {
      RandomCase candidate = best_;
      candidate.outputs = {output};
      if (accept(std::move(candidate))) return true;
    }
    return false;
  }

  static bool isOutput(const RandomCase& c, const std::string& name) {
    return std::any_of(c.outputs.begin(), c.outputs.end(), [&](const auto& output) { return output.name == name; });
  }

  // The node's results become inputs.
  static bool cut(RandomCase& c, size_t i) {
    if (i >= c.nodes.size()) return false;
    for (const CaseValue& value : c.nodes[i].results) {
      if (isOutput(c, value.name)) return false;
      c.inputs.push_back(value);
    }
    return erase(c.nodes, i);
  }

  // The node's readers read an operand of the same type.
  static bool bypass(RandomCase& c, size_t i) {
    if (i >= c.nodes.size()) return false;
    const CaseValue result = c.nodes[i].results.front();
    auto isLike = [&](const CaseValue& v) { return v.dtype == result.dtype && v.dims == result.dims; };
    const std::vector<std::string> operands = c.nodes[i].operands;
    for (const std::string& operand : operands) {
      const CaseValue* value = c.find(operand);
      if (!value || !isLike(*value)) continue;
      for (CaseNode& node : c.nodes)
        for (std::string& name : node.operands)
          if (name == result.name) name = operand;
      for (CaseOutput& output : c.outputs)
        if (output.name == result.name) output.name = operand;
      return true;
    }
    return false;
  }

  static bool dropAxis(RandomCase& c, size_t i) {
    std::vector<MeshAxis> axes = Mesh::parse(c.mesh)->axes();
    if (axes.size() < 2 || i >= axes.size()) return false;
    const std::string name = axes[i].name;
    erase(axes, i);
    c.mesh = Mesh(axes).str();
    auto isOf = [&](const std::string& axis) { return axis == name || axis.rfind(name + ":", 0) == 0; };
    for (CasePin& pin : c.pins)
      for (auto& dim : pin.dims)
        if (dim) dim->erase(std::remove_if(dim->begin(), dim->end(), isOf), dim->end());
    c.strategies.erase(
        std::remove_if(c.strategies.begin(), c.strategies.end(), [&](const auto& s) { return isOf(s.axis); }),
        c.strategies.end());
    if (name == "pp") c.stages.clear();
    return true;
  }

  // Leaves single dims of pins to the compiler.
  bool openDims() {
    bool changed = false;
    for (size_t p = 0; p < best_.pins.size(); ++p)
      changed |= each(best_.pins[p].dims.size(), [&](RandomCase& c, size_t d) {
        if (p >= c.pins.size() || !c.pins[p].dims[d]) return false;
        c.pins[p].dims[d].reset();
        return true;
      });
    return changed;
  }

  RandomCase best_;
  Outcome outcome_;
  const int maxTries_;  // a try of what hangs lasts until its deadline
  int numTries_ = 0;
};

}  // namespace

RandomCase minimize(RandomCase failing, const Outcome& outcome) { return Minimizer(std::move(failing), outcome).run(); }

}  // namespace shardwright
