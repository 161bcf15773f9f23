#include "compiler/analysis/elimination.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <set>

namespace shardwright {
namespace {

// A table over an ordered list of variables; the last one varies fastest.
struct Table {
  std::vector<int> variables;
  std::vector<double> values;
};

// What is left of the problem while variables are eliminated.
class Elimination {
 public:
  Elimination(const std::vector<std::vector<double>>& unary, int64_t maxEntries)
      : unary_(unary), maxEntries_(maxEntries) {
    for (size_t v = 0; v < unary_.size(); ++v) neighbours_.emplace_back();
    tablesOf_.resize(unary_.size());
    eliminated_.assign(unary_.size(), false);
  }

  void addTable(Table table) {
    int id = static_cast<int>(tables_.size());
    for (int v : table.variables) {
      tablesOf_[v].insert(id);
      for (int w : table.variables)
        if (v != w) neighbours_[v].insert(w);
    }
    tables_.push_back(std::move(table));
  }

  CostGraph::Solution run() {
    int numVariables = static_cast<int>(unary_.size());
    std::set<std::pair<int64_t, int>> queue;  // entries of the table that eliminating makes, variable
    std::vector<int64_t> size(numVariables);
    auto requeue = [&](int v) {
      queue.erase({size[v], v});
      size[v] = tableSize(v);
      queue.insert({size[v], v});
    };
    for (int v = 0; v < numVariables; ++v) {
      size[v] = tableSize(v);
      queue.insert({size[v], v});
    }
    while (!queue.empty()) {
      auto [entries, v] = *queue.begin();
      if (entries > maxEntries_) {
        // Cutting the variable with most neighbours open makes all their tables smaller.
        for (auto [s, w] : queue)
          if (neighbours_[w].size() > neighbours_[v].size()) v = w;
        fix(v);
      }
      queue.erase({size[v], v});
      std::vector<int> around(neighbours_[v].begin(), neighbours_[v].end());
      eliminate(v);
      for (int w : around) requeue(w);
    }
    return readBack();
  }

 private:
  int states(int v) const { return static_cast<int>(unary_[v].size()); }

  int64_t tableSize(int v) const {
    double entries = states(v);
    for (int w : neighbours_[v]) entries *= states(w);
    return entries > 9e18 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(entries);
  }

  // Leaves v one state: the one with the least sum of its cost and, per table, the best that the others could make of it.
  void fix(int v) {
    std::vector<double> bound = unary_[v];
    for (int id : tablesOf_[v]) {
      const Table& table = tables_[id];
      std::vector<double> best(states(v), std::numeric_limits<double>::infinity());
      forEachEntry(table.variables, [&](const std::vector<int>& at, size_t index) {
        size_t position = std::find(table.variables.begin(), table.variables.end(), v) - table.variables.begin();
        best[at[position]] = std::min(best[at[position]], table.values[index]);
      });
      for (int s = 0; s < states(v); ++s) bound[s] += best[s];
    }
    int chosen = std::min_element(bound.begin(), bound.end()) - bound.begin();
    for (int s = 0; s < states(v); ++s)
      if (s != chosen) unary_[v][s] = std::numeric_limits<double>::infinity();
    exact_ = false;
    fixedState_[v] = chosen;
  }

  template <typename F>
  void forEachEntry(const std::vector<int>& variables, F visit) const {
    std::vector<int> at(variables.size(), 0);
    size_t total = 1;
    for (int v : variables) total *= states(v);
    for (size_t index = 0; index < total; ++index) {
      visit(at, index);
      for (size_t d = variables.size(); d-- > 0;) {
        if (++at[d] < states(variables[d])) break;
        at[d] = 0;
      }
    }
  }

  // Replaces v and its tables by one table over its neighbours that holds, for their states, v's best answer.
  void eliminate(int v) {
    Choice choice;
    choice.variable = v;
    choice.context.assign(neighbours_[v].begin(), neighbours_[v].end());
    std::vector<int> tableIds(tablesOf_[v].begin(), tablesOf_[v].end());
    // Per table: stride of every context variable, and of v.
    struct Access {
      const Table* table;
      std::vector<size_t> contextStrides;
      size_t stride = 0;
    };
    std::vector<Access> accesses;
    for (int id : tableIds) {
      const Table& table = tables_[id];
      Access access{&table, std::vector<size_t>(choice.context.size(), 0), 0};
      size_t stride = 1;
      for (size_t d = table.variables.size(); d-- > 0;) {
        int w = table.variables[d];
        if (w == v)
          access.stride = stride;
        else
          access.contextStrides[std::find(choice.context.begin(), choice.context.end(), w) - choice.context.begin()] =
              stride;
        stride *= states(w);
      }
      accesses.push_back(std::move(access));
    }
    std::vector<int> allowed;
    if (auto it = fixedState_.find(v); it != fixedState_.end())
      allowed.push_back(it->second);
    else
      for (int s = 0; s < states(v); ++s) allowed.push_back(s);
    Table message{choice.context, {}};
    forEachEntry(choice.context, [&](const std::vector<int>& at, size_t) {
      double best = std::numeric_limits<double>::infinity();
      int bestState = allowed.front();
      std::vector<size_t> base(accesses.size(), 0);
      for (size_t a = 0; a < accesses.size(); ++a)
        for (size_t d = 0; d < at.size(); ++d) base[a] += at[d] * accesses[a].contextStrides[d];
      for (int s : allowed) {
        double cost = unary_[v][s];
        for (size_t a = 0; a < accesses.size(); ++a)
          cost += accesses[a].table->values[base[a] + s * accesses[a].stride];
        // A later state must be better by more than rounding: equal costs are common, and ties go to the lower state.
        if (cost < best - 1e-9 * std::abs(best) || (best == std::numeric_limits<double>::infinity() && cost < best)) {
          best = cost;
          bestState = s;
        }
      }
      message.values.push_back(best);
      choice.states.push_back(bestState);
    });
    for (int id : tableIds) {
      for (int w : tables_[id].variables) tablesOf_[w].erase(id);
      tables_[id] = Table();
    }
    for (int w : choice.context) neighbours_[w].erase(v);
    neighbours_[v].clear();
    eliminated_[v] = true;
    choices_.push_back(std::move(choice));
    if (!message.variables.empty()) addTable(std::move(message));
  }

  CostGraph::Solution readBack() const {
    CostGraph::Solution solution;
    solution.states.assign(unary_.size(), 0);
    for (size_t i = choices_.size(); i-- > 0;) {
      const Choice& choice = choices_[i];
      size_t index = 0;
      for (int w : choice.context) index = index * states(w) + solution.states[w];
      solution.states[choice.variable] = choice.states[index];
    }
    solution.gap = exact_ ? 0 : std::numeric_limits<double>::infinity();
    return solution;
  }

  struct Choice {
    int variable = 0;
    std::vector<int> context;
    std::vector<int> states;  // by the context's states
  };
  std::vector<std::vector<double>> unary_;
  int64_t maxEntries_;
  std::vector<Table> tables_;
  std::vector<std::set<int>> tablesOf_, neighbours_;
  std::vector<bool> eliminated_;
  std::vector<Choice> choices_;
  std::map<int, int> fixedState_;
  bool exact_ = true;
};

}  // namespace

int CostGraph::addVariable(std::vector<double> costs) {
  assert(!costs.empty());
  unary_.push_back(std::move(costs));
  return static_cast<int>(unary_.size()) - 1;
}

void CostGraph::addEdge(int a, int b, std::vector<double> table) {
  assert(a != b && table.size() == unary_[a].size() * unary_[b].size());
  edges_.push_back({a, b, std::move(table)});
}

CostGraph::Solution CostGraph::minimize(int64_t maxTableEntries) const {
  Elimination elimination(unary_, maxTableEntries);
  // Parallel edges become one table, so that a variable's degree is its number of neighbours.
  std::map<std::pair<int, int>, std::vector<double>> merged;
  for (const Edge& edge : edges_) {
    bool swap = edge.a > edge.b;
    int a = swap ? edge.b : edge.a, b = swap ? edge.a : edge.b;
    auto& table = merged[{a, b}];
    table.resize(edge.table.size(), 0);
    for (int i = 0; i < numStates(a); ++i)
      for (int j = 0; j < numStates(b); ++j)
        table[i * numStates(b) + j] += swap ? edge.table[j * numStates(a) + i] : edge.table[i * numStates(b) + j];
  }
  for (auto& [pair, table] : merged) elimination.addTable({{pair.first, pair.second}, std::move(table)});
  Solution solution = elimination.run();
  solution.cost = costOf(solution.states);
  return solution;
}

double CostGraph::costOf(const std::vector<int>& states) const {
  double cost = 0;
  for (int v = 0; v < numVariables(); ++v) cost += unary_[v][states[v]];
  for (const Edge& edge : edges_) cost += edge.table[states[edge.a] * numStates(edge.b) + states[edge.b]];
  return cost;
}

}  // namespace shardwright
