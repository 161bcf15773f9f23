#include "runtime/exec/collective_windows.h"

#include <algorithm>

#include "runtime/plan/mesh_ranks.h"

namespace shardwright {
namespace {

StatusOr<Combiner> combinerOf(const std::string& name) {
  if (name == "sum") return Combiner::kSum;
  if (name == "max") return Combiner::kMax;
  if (name == "min") return Combiner::kMin;
  if (name == "prod") return Combiner::kProd;
  return userError("the combiner '" + name + "' is not known; it is sum, max, min or prod");
}

int64_t bytesOf(const std::vector<Window>& windows) {
  int64_t bytes = 0;
  for (const Window& window : windows) bytes += byteSize(window.ref.dtype, window.ref.count());
  return bytes;
}

// The extents of every member along a dim, of which `expr` says one's own.
StatusOr<std::vector<int64_t>> extentsOf(uint32_t expr, const ExprTable& table, const std::vector<int>& members,
                                         ExprTable::Symbols symbols) {
  std::vector<int64_t> extents;
  for (int member : members) {
    table.bindCoordinates(member, symbols);
    SW_ASSIGN_OR_RETURN(int64_t extent, table.evaluateOne(expr, symbols));
    extents.push_back(extent);
  }
  return extents;
}

// The window cut along `dim` into consecutive parts of these extents, which must fill it.
StatusOr<std::vector<Window>> cut(const Window& window, int dim, const std::vector<int64_t>& extents) {
  std::vector<Window> parts;
  int64_t begin = 0;
  for (int64_t extent : extents) {
    parts.push_back(slicedWindow(window, dim, begin, extent));
    begin += extent;
  }
  if (dim >= window.ref.rank || begin != window.ref.dims[dim]) {
    return internalError("the members' parts add up to " + std::to_string(begin) + " along dim " + std::to_string(dim) +
                         ", which has " + std::to_string(dim < window.ref.rank ? window.ref.dims[dim] : 0));
  }
  return parts;
}

CollectiveKind kindOf(plan::CollectiveStep::Kind kind) {
  switch (kind) {
    case plan::CollectiveStep::ALL_GATHER:
      return CollectiveKind::kAllGather;
    case plan::CollectiveStep::REDUCE_SCATTER:
      return CollectiveKind::kReduceScatter;
    case plan::CollectiveStep::ALL_TO_ALL:
      return CollectiveKind::kAllToAll;
    case plan::CollectiveStep::BROADCAST:
      return CollectiveKind::kBroadcast;
    case plan::CollectiveStep::PERMUTE:
      return CollectiveKind::kPermute;
    default:
      return CollectiveKind::kAllReduce;
  }
}

}  // namespace

StatusOr<CollectiveWindows> collectiveWindows(const plan::Step& step, const plan::Program& program,
                                              const PlanImage& image, int rank, const ExprTable::Symbols& symbols,
                                              const Sizes& sizes) {
  const plan::CollectiveStep& what = step.collective();
  CollectiveWindows result;
  Collective& op = result.collective;
  op.kind = kindOf(what.kind());
  op.name = describeStep(step);
  if (op.kind == CollectiveKind::kAllReduce || op.kind == CollectiveKind::kReduceScatter) {
    SW_ASSIGN_OR_RETURN(op.combiner, combinerOf(what.combiner()));
  }
  if (op.kind == CollectiveKind::kPermute) op.peer = static_cast<int>(sizes[what.peer()]);
  SW_ASSIGN_OR_RETURN(Window input, windowOf(what.input(), program, sizes));
  SW_ASSIGN_OR_RETURN(Window output, windowOf(what.output(), program, sizes));
  op.dtype = output.ref.dtype;
  if (output.buffer >= 0) op.name += ", tensor '" + program.buffers(output.buffer).name() + "'";

  const plan::Group& group = image.plan().groups(static_cast<int>(what.group()));
  std::vector<int> members = membersOf(image.plan().mesh(), group, rank).ranks;
  int dim = static_cast<int>(what.dim()), splitDim = static_cast<int>(what.split_dim());
  result.sends = {input};
  result.recvs = {output};
  std::vector<int64_t> parts;
  if (op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kReduceScatter ||
      op.kind == CollectiveKind::kAllToAll) {
    SW_ASSIGN_OR_RETURN(parts, extentsOf(what.part(), image.table(), members, symbols));
  }
  if (op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kAllToAll) {
    SW_ASSIGN_OR_RETURN(result.recvs, cut(output, dim, parts));
  }
  if (op.kind == CollectiveKind::kReduceScatter) {
    SW_ASSIGN_OR_RETURN(result.sends, cut(input, dim, parts));
  }
  if (op.kind == CollectiveKind::kAllToAll) {
    SW_ASSIGN_OR_RETURN(std::vector<int64_t> split, extentsOf(what.split_part(), image.table(), members, symbols));
    SW_ASSIGN_OR_RETURN(result.sends, cut(input, splitDim, split));
  }
  for (const Window& window : result.sends) op.sends.push_back(blockOf(window));
  for (const Window& window : result.recvs) op.recvs.push_back(blockOf(window));
  result.payloadBytes = std::max(bytesOf(result.sends), bytesOf(result.recvs));
  return result;
}

}  // namespace shardwright
