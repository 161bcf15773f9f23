// Owns what the parts of the checker share. Private to it: checker.h is the interface, README.md the list of constraints.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/checker.h"
#include "runtime/plan/expr_table.h"
#include "runtime/plan/plan.pb.h"
#include "runtime/plan/step_views.h"

namespace shardwright {

class Findings {
 public:
  explicit Findings(size_t most) : most_(most) {}
  // "P<number>: <where>: found <found>, allowed <allowed>".
  void add(int number, const std::string& where, const std::string& found, const std::string& allowed);
  void require(bool holds, int number, const std::string& where, const std::string& found, const std::string& allowed) {
    if (!holds) add(number, where, found, allowed);
  }
  bool none() const { return messages_.empty(); }
  std::vector<std::string> take();

 private:
  size_t most_, left_ = 0;
  std::vector<std::string> messages_;
};

std::string inProgram(const plan::Program& program);                       // "program 'main'"
std::string inStep(const plan::Program& program, const plan::Step& step);  // "program 'main' step 'x'"
std::string quoted(const std::string& text);

// A plan whose tables and indices hold (P1 to P7), with its expressions.
struct PlanUnderCheck {
  const plan::Plan& plan;
  ExprTable table;
  std::vector<int> runTimeSlots, coordinateSlots, sizeSlots;

  bool dependsOnAny(uint32_t expr, const std::vector<int>& slots) const;
};

void checkTables(const plan::Plan& plan, Findings& findings);                                // P1 to P7
void checkValues(const PlanUnderCheck& checked, Findings& findings);                         // P8 to P11
void checkPrograms(const PlanUnderCheck& checked, Findings& findings);                       // P12, P13, P15 to P18
void checkKernels(const plan::Plan& plan, const CheckOptions& options, Findings& findings);  // P19
void checkEntries(const PlanUnderCheck& checked, Findings& findings);                        // P24, P26 to P29
void checkRunTimeSymbols(const PlanUnderCheck& checked, Findings& findings);                 // P25

// At sizes; of what ranks of a class do alone, all together, or what members of a group agree on.
struct SizesUnderCheck;
void checkRank(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings);  // P14, P22, P24
void checkWritten(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings);  // P16
void checkPacking(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings);  // P30
void checkGroups(const PlanUnderCheck& checked, const SizesUnderCheck& at, Findings& findings);            // P20, P21
void checkRun(const PlanUnderCheck& checked, const SizesUnderCheck& at, Findings& findings);               // P23

// The element numbers that a window touches, [first, last]; nothing if it is empty or a size is unknown. What is written has
// stride 0 along what is reduced, and gets its neutral element even if that is empty.
struct ElementRange {
  __int128 first, last;
};
std::optional<ElementRange> elementsOf(const plan::View& view, Access access, const std::vector<int64_t>& values);

}  // namespace shardwright
