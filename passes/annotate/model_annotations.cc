#include "passes/annotate/model_annotations.h"

#include <map>

#include "compiler/dist/device_layout.h"

namespace shardwright {
namespace {

std::string numbered(int64_t n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

// Which ranks of a stage's mesh hold which shard, by stage.
using StageShards = std::map<int64_t, std::vector<std::vector<int64_t>>>;

StatusOr<StageShards> byStage(const TensorAnnotation& asked, const Pipeline& pipeline, std::optional<int64_t> chunk) {
  int pp = pipeline.mesh.axisIndex("pp");
  StageShards stages;
  for (size_t shard = 0; shard < asked.devices.size(); ++shard)
    for (int64_t device : asked.devices[shard]) {
      std::vector<int64_t> at = pipeline.mesh.coordinatesOf(device);
      int64_t stage = pp < 0 ? 0 : at[static_cast<size_t>(pp)], rank = 0;
      for (size_t axis = 0; axis < at.size(); ++axis)
        if (static_cast<int>(axis) != pp) rank = rank * pipeline.mesh.axes()[axis].size + at[axis];
      if (chunk && stage != *chunk % pipeline.stages)
        return userError("device " + std::to_string(device) + " is one of stage " + std::to_string(stage) +
                         " on the mesh " + pipeline.mesh.str() + ", and the node is annotated with stage " +
                         std::to_string(*chunk));
      stages[stage].resize(asked.devices.size());
      stages[stage][shard].push_back(rank);
    }
  return stages;
}

// The axes of each factor. Where no devices are listed, sizes must tell axes apart.
StatusOr<std::vector<AxisList>> axesAsked(const TensorAnnotation& asked, llvm::ArrayRef<int64_t> counts,
                                          const Pipeline& pipeline, std::optional<int64_t> chunk) {
  const Mesh mesh = stageMesh(pipeline.mesh);
  std::vector<AxisList> found;
  if (!asked.devices.empty()) {
    SW_ASSIGN_OR_RETURN(StageShards stages, byStage(asked, pipeline, chunk));
    for (const auto& [stage, ranks] : stages) {
      SW_ASSIGN_OR_RETURN(std::vector<AxisList> axes, axesOfShards(mesh, counts, ranks));
      if (!found.empty() && axes != found) return userError("its stages hold it differently");
      found = std::move(axes);
    }
    return found;
  }
  for (int64_t count : counts) {
    AxisList& axes = found.emplace_back();
    int fitting = 0;
    for (int axis = 0; count > 1 && axis < static_cast<int>(mesh.axes().size()); ++axis) {
      if (mesh.axes()[static_cast<size_t>(axis)].size != count) continue;
      ++fitting;
      axes = {mesh.whole(axis)};
    }
    if (count > 1 && fitting != 1)
      return userError("lists no devices, and " + numbered(fitting, "axis", "axes") + " of the mesh " + mesh.str() +
                       (fitting == 1 ? " has " : " have ") + numbered(count, "rank", "ranks") + "; list the devices");
  }
  for (size_t i = 0; i < found.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (overlaps(found[i], found[j]))
        return userError("lists no devices, and has two splits into as many shards; list the devices");
  return found;
}

}  // namespace

Mesh meshOfNames(const std::vector<DeviceConfiguration>& configurations) {
  std::vector<Mesh> meshes;
  for (const DeviceConfiguration& configuration : configurations) {
    auto mesh = Mesh::parse(configuration.name);
    if (mesh.ok() && mesh->numRanks() == configuration.devices) meshes.push_back(*mesh);
  }
  return meshes.size() == 1 ? meshes[0] : Mesh();
}

StatusOr<const DeviceConfiguration*> configurationFor(const std::vector<DeviceConfiguration>& configurations,
                                                      const Mesh& mesh) {
  const DeviceConfiguration* found = nullptr;
  if (configurations.empty() || mesh.numRanks() == 1) return found;
  std::string all;
  int fitting = 0;
  for (const DeviceConfiguration& configuration : configurations) {
    if (configuration.name == mesh.str() && configuration.devices == mesh.numRanks()) return &configuration;
    all += (all.empty() ? "\"" : ", \"") + configuration.name + "\" (" +
           numbered(configuration.devices, "device", "devices") + ")";
    if (configuration.devices != mesh.numRanks()) continue;
    ++fitting;
    found = &configuration;
  }
  if (fitting == 1) return found;
  return userError("the mesh " + mesh.str() + " has " + std::to_string(mesh.numRanks()) +
                   " ranks, and the model is annotated for " + all + ": " +
                   (fitting == 0 ? "give a mesh of as many ranks as one of them has devices"
                                 : "name the one that is meant after the mesh") +
                   ", or --ignore-annotations");
}

StatusOr<std::optional<Sharding>> shardingAsked(const TensorAnnotation& asked, llvm::ArrayRef<Expr> dims,
                                                const Pipeline& pipeline, std::optional<int64_t> chunk) {
  if (asked.devices.empty() && asked.dims.empty()) return std::optional<Sharding>();
  std::vector<int64_t> counts;
  for (const SplitDim& split : asked.dims)
    for (const SplitDim::Factor& factor : split.factors) counts.push_back(factor.shards);
  SW_ASSIGN_OR_RETURN(std::vector<AxisList> axes, axesAsked(asked, counts, pipeline, chunk));
  Sharding sharding = Sharding::replicated(static_cast<int>(dims.size()));
  size_t next = 0;
  for (const SplitDim& split : asked.dims) {
    auto rank = static_cast<int64_t>(dims.size());
    std::string where = "axis " + std::to_string(split.axis);
    if (split.axis < -rank || split.axis >= rank)
      return userError(where + ": the tensor has " + numbered(rank, "dim", "dims"));
    auto d = static_cast<size_t>(split.axis < 0 ? split.axis + rank : split.axis);
    DimSharding& dim = sharding.dims[d];
    if (!dim.factors.empty()) return userError(where + " is split twice; list it once");
    int64_t parts = 1, numOpen = 0;
    Expr known = 1;
    for (const SplitDim::Factor& factor : split.factors) {
      numOpen += factor.size.empty() ? 1 : 0;
      if (!factor.size.empty()) known = known * *Expr::parse(factor.size);
    }
    if (split.factors.size() > 1 && numOpen > 1)
      return userError(where + " is split as several factors; give the sizes of all but one");
    for (const SplitDim::Factor& factor : split.factors) {
      Expr extent = split.factors.size() == 1 ? dims[d]
                    : factor.size.empty()     ? Expr::floorDiv(dims[d], known)
                                              : *Expr::parse(factor.size);
      dim.factors.push_back({extent, axes[next++], extent});
      parts *= factor.shards;
    }
    if (auto size = dims[d].constant(); size && *size < parts)
      return userError(where + " has " + numbered(*size, "element", "elements") + ", which cannot be split in " +
                       std::to_string(parts) + " parts");
  }
  return std::optional<Sharding>(std::move(sharding));
}

}  // namespace shardwright
