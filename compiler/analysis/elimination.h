// Owns exact minimisation of a sum of unary and pairwise costs over discrete variables, by bucket elimination in min-degree
// order (Dechter, "Bucket elimination", 1999). It knows nothing of shardings.
#pragma once

#include <cstdint>
#include <vector>

namespace shardwright {

class CostGraph {
 public:
  // A variable with one cost per state; at least one state. Returns its index.
  int addVariable(std::vector<double> costs);
  // cost(a = i, b = j) = table[i * states(b) + j]; several tables between two variables add up.
  void addEdge(int a, int b, std::vector<double> table);
  int numVariables() const { return static_cast<int>(unary_.size()); }
  int numStates(int variable) const { return static_cast<int>(unary_[variable].size()); }
  // Of a state of one variable; may be changed between two calls of minimize().
  void setCost(int variable, int state, double cost) { unary_[variable][state] = cost; }

  struct Solution {
    std::vector<int> states;
    double cost = 0;
    // 0 where it is exact. Otherwise the cost exceeds the optimum by at most this.
    double gap = 0;
  };
  // Among equal minima the one with the lowest states, variable by variable in the order of elimination from the last.
  // Where a table would pass maxTableEntries, variables are fixed at the state that is best for their neighbours' best
  // answers, and the gap says what that may have cost.
  Solution minimize(int64_t maxTableEntries = int64_t{1} << 24) const;
  double costOf(const std::vector<int>& states) const;

 private:
  struct Edge {
    int a, b;
    std::vector<double> table;
  };
  std::vector<std::vector<double>> unary_;
  std::vector<Edge> edges_;
};

}  // namespace shardwright
