// P8 to P11: ports, constants, sections, states.
#include <algorithm>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

bool isElementType(int32_t dtype) { return bitWidth(static_cast<DType>(dtype)) > 0; }
std::string typeText(int32_t dtype) {
  return std::to_string(dtype) + " (" + std::string(dtypeName(static_cast<DType>(dtype))) + ")";
}

bool isCombiner(const std::string& name) { return name == "sum" || name == "max" || name == "min" || name == "prod"; }

class ValueCheck {
 public:
  ValueCheck(const PlanUnderCheck& checked, Findings& findings)
      : checked_(checked), plan_(checked.plan), findings_(findings) {}

  void all() {
    for (const plan::Port& p : plan_.inputs()) port(p, "input " + quoted(p.name()), true);
    for (const plan::Port& p : plan_.outputs()) port(p, "output " + quoted(p.name()), false);
    for (const plan::WeightSet& w : plan_.weight_sets()) weightSet(w);
    for (const plan::Constant& c : plan_.constants()) constant(c);
    sections();
    for (const plan::State& s : plan_.states()) state(s);
  }

 private:
  void type(int32_t dtype, int number, const std::string& where) {
    findings_.require(isElementType(dtype), number, where, "element type " + typeText(dtype),
                      "ONNX's numeric types, 1 to 26 without 8");
  }

  void sharding(const plan::Sharding& s, int numDims, int number, const std::string& where, bool mayBePartial) {
    findings_.require(s.dims_size() == 0 || s.dims_size() == numDims, number, where,
                      "a sharding of " + std::to_string(s.dims_size()) + " dims", std::to_string(numDims));
    findings_.require(mayBePartial || s.partial_size() == 0, number, where, "a partial value", "values combined whole");
    bool fits = s.partial_size() > 0 ? isCombiner(s.combiner()) : s.combiner().empty();
    findings_.require(fits, number, where, "combiner " + quoted(s.combiner()),
                      "sum, max, min or prod exactly where the value is partial");
  }

  void port(const plan::Port& p, const std::string& where, bool isInput) {
    type(p.dtype(), 8, where);
    sharding(p.sharding(), p.dims_size(), 8, where, false);
    findings_.require(!checked_.dependsOnAny(p.microbatch_stride(), checked_.coordinateSlots) &&
                          !checked_.dependsOnAny(p.microbatch_stride(), checked_.runTimeSlots),
                      8, where, "microbatch stride " + plan_.exprs(static_cast<int>(p.microbatch_stride())),
                      "sizes known before a run, the same on all ranks");
    for (uint32_t dim : p.dims()) {
      bool isGlobal = !checked_.dependsOnAny(dim, checked_.coordinateSlots) &&
                      !(isInput && checked_.dependsOnAny(dim, checked_.runTimeSlots));
      findings_.require(
          isGlobal, 8, where, "dim " + plan_.exprs(static_cast<int>(dim)),
          isInput ? "sizes known before a run, the same on all ranks" : "sizes that are the same on all ranks");
    }
  }

  void weightSet(const plan::WeightSet& w) {
    std::string where = "weight set " + quoted(w.name());
    if (w.count() < 1 || w.count() > numRanks(plan_.mesh()))
      return findings_.add(9, where, "count " + std::to_string(w.count()), "1 to the number of ranks");
    ExprTable::Symbols symbols = checked_.table.noSymbols();
    for (int rank = 0; rank < numRanks(plan_.mesh()); ++rank) {
      checked_.table.bindCoordinates(rank, symbols);
      StatusOr<int64_t> file = checked_.table.evaluateOne(w.index(), symbols);
      bool fits = file.ok() && *file >= 0 && *file < w.count();
      if (fits) continue;
      return findings_.add(9, where + " on rank " + std::to_string(rank),
                           "file " + (file.ok() ? std::to_string(*file) : file.status().message()),
                           "0 to " + std::to_string(w.count() - 1) + ", from coordinates alone");
    }
  }

  void constant(const plan::Constant& c) {
    std::string where = "constant " + quoted(c.name());
    type(c.dtype(), 9, where);
    sharding(c.sharding(), c.global_dims_size(), 9, where, false);
    findings_.require(c.global_dims_size() == 0 || c.global_dims_size() == c.dims_size(), 9, where,
                      std::to_string(c.global_dims_size()) + " global dims", std::to_string(c.dims_size()));
    bool fixed = true;
    for (uint32_t dim : c.dims())
      fixed = fixed && !checked_.dependsOnAny(dim, checked_.sizeSlots) &&
              !checked_.dependsOnAny(dim, checked_.runTimeSlots);
    findings_.require(fixed, 9, where, "dims that depend on symbols", "dims that depend on coordinates alone");
    bool isStored = c.weight_set() > 0;
    int64_t files = isStored ? plan_.weight_sets(static_cast<int>(c.weight_set()) - 1).count() : 1;
    if (!isStored && c.inline_data().empty()) files = std::min(c.crc32c_size(), 1);  // computed, or of no elements
    if (isStored && plan_.without_weights()) files = 0;
    findings_.require(c.crc32c_size() == files, 9, where, std::to_string(c.crc32c_size()) + " checksums",
                      std::to_string(files) + ", one per file or for the inline data");
    findings_.require(!isStored || c.inline_data().empty(), 9, where, "inline data beside a weight set", "one of them");
    if (fixed && !c.inline_data().empty()) inlineSize(c, where);
  }

  void inlineSize(const plan::Constant& c, const std::string& where) {
    ExprTable::Symbols symbols = checked_.table.noSymbols();
    checked_.table.bindCoordinates(0, symbols);
    int64_t count = 1;
    for (uint32_t dim : c.dims()) {
      StatusOr<int64_t> size = checked_.table.evaluateOne(dim, symbols);
      bool fits = size.ok() && *size >= 0 && !__builtin_mul_overflow(count, *size, &count) && count < int64_t{1} << 48;
      if (!fits) return findings_.add(9, where, "dim " + plan_.exprs(static_cast<int>(dim)), "a size of at least 0");
    }
    int64_t bytes = byteSize(static_cast<DType>(c.dtype()), count);
    findings_.require(static_cast<int64_t>(c.inline_data().size()) == bytes, 9, where,
                      std::to_string(c.inline_data().size()) + " inline bytes", std::to_string(bytes));
  }

  void sections() {
    std::set<std::string> files;
    for (const plan::Section& s : plan_.sections()) {
      const std::string& f = s.file();
      bool stays = !f.empty() && f[0] != '/' && ("/" + f + "/").find("/../") == std::string::npos && f != kPlanFileName;
      findings_.require(stays && files.insert(f).second, 10, "section " + quoted(f), "that file",
                        "files below the plan's folder, each once, without plan.pb");
    }
    bool hasWeights =
        std::any_of(files.begin(), files.end(), [](const std::string& f) { return f.rfind("weights/", 0) == 0; });
    std::set<uint32_t> used;  // sets of files
    for (const plan::Constant& c : plan_.constants())
      if (hasWeights && c.weight_set() > 0) used.insert(c.weight_set() - 1);
    for (uint32_t index : used) {
      const plan::WeightSet& set = plan_.weight_sets(static_cast<int>(index));
      for (int64_t k = 0; k < std::min<int64_t>(set.count(), numRanks(plan_.mesh())); ++k) {
        std::string file = "weights/" + set.name() + "-" + std::to_string(k) + ".safetensors";
        findings_.require(files.count(file) > 0, 10, "weight set " + quoted(set.name()), "no section " + quoted(file),
                          "a section for each of its files");
      }
    }
  }

  void state(const plan::State& s) {
    std::string where = "state " + quoted(s.name());
    const plan::Port& in = plan_.inputs(static_cast<int>(s.input()));
    const plan::Port& out = plan_.outputs(static_cast<int>(s.output()));
    findings_.require(
        in.dtype() == s.dtype() && out.dtype() == s.dtype(), 11, where,
        "types " + typeText(s.dtype()) + ", input " + typeText(in.dtype()) + ", output " + typeText(out.dtype()),
        "one type");
    findings_.require(in.dims_size() == out.dims_size() && s.capacity_dims_size() == in.dims_size(), 11, where,
                      std::to_string(in.dims_size()) + ", " + std::to_string(out.dims_size()) + " and " +
                          std::to_string(s.capacity_dims_size()) + " dims of input, output and capacity",
                      "as many of each");
    findings_.require(inputsOfStates_.insert(s.input()).second && outputsOfStates_.insert(s.output()).second, 11, where,
                      "a port of another state", "ports of its own");
    if (s.capacity_symbol().empty()) return;
    int slot = checked_.table.slot(s.capacity_symbol());
    bool bounded = slot >= 0 && slot < plan_.symbols_size() && plan_.symbols(slot).max() < INT64_MAX;
    findings_.require(bounded, 11, where, "capacity symbol " + quoted(s.capacity_symbol()),
                      "a declared symbol with a maximum");
    findings_.require(static_cast<int>(s.capacity_dim()) < s.capacity_dims_size(), 11, where,
                      "capacity dim " + std::to_string(s.capacity_dim()), "a dim of the state");
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  Findings& findings_;
  std::set<uint32_t> inputsOfStates_, outputsOfStates_;
};

}  // namespace

void checkValues(const PlanUnderCheck& checked, Findings& findings) { ValueCheck(checked, findings).all(); }

}  // namespace shardwright
