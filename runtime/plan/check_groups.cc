// P20 and P21: what the members of a group agree on at given sizes.
#include <algorithm>
#include <map>
#include <set>

#include "runtime/plan/rank_classes.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

// One collective step, by all members of one instance of its group.
class MeetingCheck {
 public:
  // `members`: their classes, in member order.
  MeetingCheck(const SizesUnderCheck& at, const std::vector<int>& members, Findings& findings)
      : at_(at), members_(members), findings_(findings) {}

  void step(const plan::Program& p, const plan::Step& s) {
    std::string where = inStep(p, s);
    if (s.guard() > 0) {
      std::vector<int64_t> guards = ofMembers(s.guard() - 1);
      for (size_t i = 1; i < guards.size(); ++i)
        findings_.require(
            (guards[i] == 0) == (guards[0] == 0), 21, where + " " + at_.classes.text(members_[i]) + at_.text,
            "a guard that only some members of the group pass", "guards of collectives that all members pass, or none");
      if (guards[0] == 0) return;
    }
    collective(s.collective(), where);
  }

 private:
  std::vector<int64_t> ofMembers(uint32_t expr) const {
    std::vector<int64_t> values;
    for (int member : members_) values.push_back(at_.classes.values(member)[expr]);
    return values;
  }

  std::vector<int64_t> dimsOf(const plan::View& v, size_t member) const {
    std::vector<int64_t> dims;
    for (uint32_t d : v.dims()) dims.push_back(at_.classes.values(members_[member])[d]);
    return dims;
  }

  // The input's dims after dim `dim` was made `extent`, compared with the output's.
  static bool equalBut(std::vector<int64_t> in, const std::vector<int64_t>& out,
                       const std::map<size_t, int64_t>& replaced) {
    for (auto [dim, extent] : replaced) {
      if (dim >= in.size()) return false;
      in[dim] = extent;
    }
    return in == out;
  }

  void collective(const plan::CollectiveStep& c, const std::string& where) {
    using Step = plan::CollectiveStep;
    std::string kind = collectiveKindName(c.kind());
    bool combines = c.kind() == Step::ALL_REDUCE || c.kind() == Step::REDUCE_SCATTER;
    bool knows = c.combiner() == "sum" || c.combiner() == "max" || c.combiner() == "min" || c.combiner() == "prod";
    findings_.require(combines ? knows : c.combiner().empty(), 20, where,
                      kind + " with combiner " + quoted(c.combiner()), combines ? "sum, max, min or prod" : "none");
    findings_.require(!c.input().absent() && !c.output().absent() && c.input().dtype() == c.output().dtype(), 20, where,
                      "types " + std::to_string(c.input().dtype()) + " and " + std::to_string(c.output().dtype()),
                      "an input and an output of one type");
    if (c.kind() == Step::PERMUTE) permutation(c, where);
    for (size_t member = 0; member < members_.size(); ++member)
      if (findings_.none()) extents(c, member, kind, where + " " + at_.classes.text(members_[member]) + at_.text);
  }

  void permutation(const plan::CollectiveStep& c, const std::string& where) {
    std::vector<int64_t> peers = ofMembers(c.peer());
    std::set<int64_t> distinct(peers.begin(), peers.end());
    bool holds = distinct.size() == peers.size() && *distinct.begin() >= 0 &&
                 *distinct.rbegin() < static_cast<int64_t>(peers.size());
    findings_.require(holds, 20, where, "peers that are no permutation", "for each member another one of the group");
  }

  // Of what the members have together, as one of them knows it: the input's, with all members' parts of what is gathered.
  std::vector<int64_t> wholeDims(const plan::CollectiveStep& c, size_t member) const {
    std::vector<int64_t> dims = dimsOf(c.input(), member);
    const bool gathers = c.kind() == plan::CollectiveStep::ALL_GATHER || c.kind() == plan::CollectiveStep::ALL_TO_ALL;
    if (gathers && c.dim() < dims.size()) dims[c.dim()] = -1;  // the parts say it
    return dims;
  }

  void extents(const plan::CollectiveStep& c, size_t mine, const std::string& kind, const std::string& where) {
    using Step = plan::CollectiveStep;
    std::vector<int64_t> in = dimsOf(c.input(), mine), out = dimsOf(c.output(), mine);
    std::vector<int64_t> parts = ofMembers(c.part()), splits = ofMembers(c.split_part());
    auto sum = [](const std::vector<int64_t>& v) {
      int64_t total = 0;
      for (int64_t x : v) total += std::max<int64_t>(x, 0);
      return total;
    };
    size_t dim = c.dim(), splitDim = c.split_dim();
    bool holds = true;
    switch (c.kind()) {
      case Step::ALL_GATHER:
        holds = dim < in.size() && in[dim] == parts[mine] && equalBut(in, out, {{dim, sum(parts)}});
        break;
      case Step::REDUCE_SCATTER:
        holds = dim < in.size() && in[dim] == sum(parts) && equalBut(in, out, {{dim, parts[mine]}});
        break;
      case Step::ALL_TO_ALL:
        holds = dim != splitDim && dim < in.size() && splitDim < in.size() && in[dim] == parts[mine] &&
                in[splitDim] == sum(splits) && equalBut(in, out, {{dim, sum(parts)}, {splitDim, splits[mine]}});
        break;
      case Step::PERMUTE: {
        // What is received has the sender's dims.
        int64_t peer = ofMembers(c.peer())[mine];
        holds = in.size() == out.size() && peer >= 0 && peer < static_cast<int64_t>(members_.size());
        for (size_t d = 0; holds && d < out.size(); ++d)
          holds = out[d] == ofMembers(c.input().dims(static_cast<int>(d)))[static_cast<size_t>(peer)];
        break;
      }
      default:
        holds = in == out;
        break;
    }
    holds = holds && (c.kind() == Step::PERMUTE || wholeDims(c, mine) == wholeDims(c, 0));
    bool positive = std::all_of(parts.begin(), parts.end(), [](int64_t x) { return x >= 0; });
    findings_.require(holds && positive, 20, where,
                      kind + " from " + text(in) + " to " + text(out) + " with parts " + text(parts) +
                          (c.kind() == Step::ALL_TO_ALL ? " and split parts " + text(splits) : ""),
                      "dims that the members' parts add up to, on all of them alike");
  }

  static std::string text(const std::vector<int64_t>& dims) {
    std::string result = "[";
    for (size_t i = 0; i < dims.size(); ++i) result += (i ? ", " : "") + std::to_string(dims[i]);
    return result + "]";
  }

  const SizesUnderCheck& at_;
  const std::vector<int>& members_;
  Findings& findings_;
};

}  // namespace

void checkGroups(const PlanUnderCheck& checked, const SizesUnderCheck& at, Findings& findings) {
  const plan::Plan& plan = checked.plan;
  std::vector<std::set<uint32_t>> run;  // by stage
  for (int s = 0; s < numStages(plan.mesh()); ++s) {
    std::vector<uint32_t> programs = at.programs(plan, s);
    run.emplace_back(programs.begin(), programs.end());
  }
  for (int i = 0; i < plan.programs_size(); ++i)
    for (const plan::Step& s : plan.programs(i).steps()) {
      if (!s.has_collective()) continue;
      // Members of equal classes, in order, agree or disagree alike.
      std::set<std::vector<int>> seen;
      for (const std::vector<int>& members : at.classes.instances(s.collective().group()).members) {
        if (run[static_cast<size_t>(at.classes.stage(members[0]))].count(static_cast<uint32_t>(i)) == 0) continue;
        std::vector<int> classes;
        for (int rank : members) classes.push_back(at.classes.classOf(rank));
        if (findings.none() && seen.insert(classes).second)
          MeetingCheck(at, classes, findings).step(plan.programs(i), s);
      }
    }
}

}  // namespace shardwright
