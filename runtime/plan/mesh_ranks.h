// Owns who is who on a plan's mesh: coordinates of ranks, members of groups, parts of a ragged split. What shardings mean
// to the compiler is compiler/dist's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/expr.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

int numRanks(const plan::Mesh& mesh);

// One coordinate per axis; ranks count the last axis fastest.
//   mesh dp=2, tp=3: rank 4 is (1, 1)
std::vector<int64_t> coordinatesOf(const plan::Mesh& mesh, int rank);
int rankAt(const plan::Mesh& mesh, const std::vector<int64_t>& coordinates);

// The axis's index, or -1.
int axisNamed(const plan::Mesh& mesh, const std::string& name);
// Stages of the pipeline: the size of axis "pp", 1 without it; and the stage of a rank.
int numStages(const plan::Mesh& mesh);
int stageOf(const plan::Mesh& mesh, int rank);
int firstRankOf(const plan::Mesh& mesh, int stage);
// Of uneven parts the last rank has the largest: what is said of a stage is said of it.
int lastRankOf(const plan::Mesh& mesh, int stage);

// The digit of the axis that the sub-axis names: 0 … size-1.
int64_t digitOf(const plan::Mesh& mesh, const plan::SubAxis& subAxis, const std::vector<int64_t>& coordinates);

struct GroupMembers {
  std::vector<int> ranks;  // in member order: by the listed digits, major first
  int index = 0;           // of the rank that was asked for
};
// The ranks that agree with `rank` on every digit that the group does not list.
//   mesh dp=2, tp=3, group {tp}: rank 4 -> ranks 3 4 5, index 1;  group {tp, dp}: ranks 0 3 1 4 2 5, index 3
GroupMembers membersOf(const plan::Mesh& mesh, const plan::Group& group, int rank);
int groupSize(const plan::Group& group);

// Adds "@axis" for every axis.
void bindCoordinates(const plan::Mesh& mesh, int rank, Bindings& bindings);

// The granules [begin, end) of `granules` that part i of n holds: [⌊iG/n⌋, ⌊(i+1)G/n⌋).
struct GranulePart {
  int64_t begin, end;
};
inline GranulePart granulePart(int64_t granules, int64_t i, int64_t n) {
  return {granules * i / n, granules * (i + 1) / n};
}

// "tp", or "tp:(2)4" for the digit of size 4 below one of 2.
std::string subAxisText(const plan::Mesh& mesh, const plan::SubAxis& subAxis);

}  // namespace shardwright
