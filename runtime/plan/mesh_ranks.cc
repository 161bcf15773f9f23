#include "runtime/plan/mesh_ranks.h"

namespace shardwright {

int numRanks(const plan::Mesh& mesh) {
  int64_t n = 1;
  for (const plan::Mesh::Axis& axis : mesh.axes()) n *= axis.size();
  return static_cast<int>(n);
}

std::vector<int64_t> coordinatesOf(const plan::Mesh& mesh, int rank) {
  std::vector<int64_t> coordinates(static_cast<size_t>(mesh.axes_size()));
  int64_t rest = rank;
  for (int i = mesh.axes_size(); i-- > 0;) {
    coordinates[static_cast<size_t>(i)] = rest % mesh.axes(i).size();
    rest /= mesh.axes(i).size();
  }
  return coordinates;
}

int rankAt(const plan::Mesh& mesh, const std::vector<int64_t>& coordinates) {
  int64_t rank = 0;
  for (int i = 0; i < mesh.axes_size(); ++i) rank = rank * mesh.axes(i).size() + coordinates[static_cast<size_t>(i)];
  return static_cast<int>(rank);
}

int axisNamed(const plan::Mesh& mesh, const std::string& name) {
  for (int i = 0; i < mesh.axes_size(); ++i)
    if (mesh.axes(i).name() == name) return i;
  return -1;
}

int numStages(const plan::Mesh& mesh) {
  int axis = axisNamed(mesh, "pp");
  return axis < 0 ? 1 : static_cast<int>(mesh.axes(axis).size());
}

int stageOf(const plan::Mesh& mesh, int rank) {
  int axis = axisNamed(mesh, "pp");
  return axis < 0 ? 0 : static_cast<int>(coordinatesOf(mesh, rank)[static_cast<size_t>(axis)]);
}

int firstRankOf(const plan::Mesh& mesh, int stage) {
  int rank = 0;
  while (stageOf(mesh, rank) != stage) ++rank;
  return rank;
}

int lastRankOf(const plan::Mesh& mesh, int stage) {
  int rank = numRanks(mesh) - 1;
  while (stageOf(mesh, rank) != stage) --rank;
  return rank;
}

namespace {
// How far apart two values of the sub-axis's digit lie on the axis.
int64_t digitStep(const plan::Mesh& mesh, const plan::SubAxis& subAxis) {
  return mesh.axes(static_cast<int>(subAxis.axis())).size() / (subAxis.pre() * subAxis.size());
}
}  // namespace

int64_t digitOf(const plan::Mesh& mesh, const plan::SubAxis& subAxis, const std::vector<int64_t>& coordinates) {
  return coordinates[subAxis.axis()] / digitStep(mesh, subAxis) % subAxis.size();
}

int groupSize(const plan::Group& group) {
  int64_t n = 1;
  for (const plan::SubAxis& subAxis : group.axes()) n *= subAxis.size();
  return static_cast<int>(n);
}

GroupMembers membersOf(const plan::Mesh& mesh, const plan::Group& group, int rank) {
  std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  for (const plan::SubAxis& subAxis : group.axes())
    coordinates[subAxis.axis()] -= digitOf(mesh, subAxis, coordinates) * digitStep(mesh, subAxis);
  GroupMembers members;
  int size = groupSize(group);
  for (int i = 0; i < size; ++i) {
    std::vector<int64_t> member = coordinates;
    int rest = i;
    for (int k = group.axes_size(); k-- > 0;) {
      auto digits = static_cast<int>(group.axes(k).size());
      member[group.axes(k).axis()] += rest % digits * digitStep(mesh, group.axes(k));
      rest /= digits;
    }
    members.ranks.push_back(rankAt(mesh, member));
    if (members.ranks.back() == rank) members.index = i;
  }
  return members;
}

void bindCoordinates(const plan::Mesh& mesh, int rank, Bindings& bindings) {
  std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  for (int i = 0; i < mesh.axes_size(); ++i) bindings["@" + mesh.axes(i).name()] = coordinates[static_cast<size_t>(i)];
}

std::string subAxisText(const plan::Mesh& mesh, const plan::SubAxis& subAxis) {
  const plan::Mesh::Axis& axis = mesh.axes(static_cast<int>(subAxis.axis()));
  if (subAxis.pre() == 1 && subAxis.size() == axis.size()) return axis.name();
  return axis.name() + ":(" + std::to_string(subAxis.pre()) + ")" + std::to_string(subAxis.size());
}

}  // namespace shardwright
