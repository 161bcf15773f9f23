#include "compiler/emit/weight_writer.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "runtime/base/safetensors.h"

namespace shardwright {
namespace {

constexpr int64_t kBlockBytes = int64_t{4} << 20;

int64_t countOf(const std::vector<IndexRange>& ranges) {
  int64_t count = 0;
  for (const IndexRange& range : ranges) count += range.end - range.begin;
  return count;
}

bool holds(const std::vector<IndexRange>& ranges, int64_t index) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const IndexRange& r) { return r.begin <= index && index < r.end; });
}

AxisList axesOf(const std::vector<const WeightSource*>& weights) {
  AxisList axes = weights.front()->sharding.usedAxes();
  std::sort(axes.begin(), axes.end());
  return axes;
}

// One shard's bytes on their way to its file.
struct ShardStream {
  SafetensorsWriter writer;
  std::string pending;
  Status flush() {
    Status status = writer.append(pending.data(), pending.size());
    pending.clear();
    return status;
  }
};

// Streams one weight to the shards. The last split dim divides it into rows; a row's part of a shard is a few contiguous
// pieces, and a shard has the row or not by the indices of the dims before it.
class WeightCutter {
 public:
  WeightCutter(const WeightSource& weight, const File& file, std::vector<ShardRanges> ranges,
               std::vector<ShardStream>& shards)
      : weight_(weight), file_(file), dims_(weight.fileDims), ranges_(std::move(ranges)), shards_(shards) {
    int last = -1;
    for (size_t d = 0; d < dims_.size(); ++d)
      if (!weight.sharding.dims[d].whole() || weight.globalDims[d] != Expr(dims_[d])) last = d;
    rowDim_ = std::max(last, 0);
    innerBytes_ = bitWidth(weight.dtype) / 8;
    for (size_t d = rowDim_ + 1; d < dims_.size(); ++d) innerBytes_ *= dims_[d];
    rowBytes_ = dims_.empty() ? innerBytes_ : innerBytes_ * dims_[rowDim_];
    for (int d = 0; d < rowDim_ && d < static_cast<int>(dims_.size()); ++d) numRows_ *= dims_[d];
  }

  Status run() { return rowBytes_ > kBlockBytes ? cutLongRows() : cutShortRows(); }

 private:
  bool holdsRow(const ShardRanges& ranges, int64_t row) const {
    for (int d = rowDim_ - 1; d >= 0; --d) {
      if (!holds(ranges[d], row % dims_[d])) return false;
      row /= dims_[d];
    }
    return true;
  }

  std::vector<IndexRange> rangesInRow(const ShardRanges& ranges) const {
    return dims_.empty() ? std::vector<IndexRange>{{0, 1}} : ranges[rowDim_];
  }

  Status cutShortRows() {
    int64_t rowsPerBlock = rowBytes_ == 0 ? numRows_ : std::max<int64_t>(1, kBlockBytes / rowBytes_);
    std::string block;
    for (int64_t first = 0; first < numRows_; first += rowsPerBlock) {
      int64_t rows = std::min(rowsPerBlock, numRows_ - first);
      block.resize(rows * rowBytes_);
      SW_RETURN_IF_ERROR(file_.readAt(weight_.offset + first * rowBytes_, block.data(), block.size()));
      for (size_t k = 0; k < shards_.size(); ++k) {
        std::vector<IndexRange> pieces = rangesInRow(ranges_[k]);
        for (int64_t r = 0; r < rows; ++r) {
          if (!holdsRow(ranges_[k], first + r)) continue;
          for (const IndexRange& piece : pieces)
            shards_[k].pending.append(block, r * rowBytes_ + piece.begin * innerBytes_,
                                      (piece.end - piece.begin) * innerBytes_);
        }
        SW_RETURN_IF_ERROR(shards_[k].flush());
      }
    }
    return Status();
  }

  Status cutLongRows() {
    std::string block;
    for (size_t k = 0; k < shards_.size(); ++k) {
      for (int64_t row = 0; row < numRows_; ++row) {
        if (!holdsRow(ranges_[k], row)) continue;
        for (const IndexRange& piece : rangesInRow(ranges_[k])) {
          int64_t at = row * rowBytes_ + piece.begin * innerBytes_, end = row * rowBytes_ + piece.end * innerBytes_;
          for (; at < end; at += static_cast<int64_t>(block.size())) {
            block.resize(std::min(kBlockBytes, end - at));
            SW_RETURN_IF_ERROR(file_.readAt(weight_.offset + at, block.data(), block.size()));
            SW_RETURN_IF_ERROR(shards_[k].writer.append(block.data(), block.size()));
          }
        }
      }
    }
    return Status();
  }

  const WeightSource& weight_;
  const File& file_;
  std::vector<int64_t> dims_;
  std::vector<ShardRanges> ranges_;
  std::vector<ShardStream>& shards_;
  int rowDim_ = 0;
  int64_t innerBytes_ = 0, rowBytes_ = 0, numRows_ = 1;
};

// All weights of one set: its files are written side by side while the weights stream by.
class SetWriter {
 public:
  SetWriter(plan::Plan& plan, const Mesh& mesh, int set, std::vector<const WeightSource*> weights)
      : plan_(plan), mesh_(mesh), set_(plan.weight_sets(set)), weights_(std::move(weights)), axes_(axesOf(weights_)) {}

  StatusOr<int64_t> layOut() {
    int64_t bytes = 0;
    for (int64_t k = 0; k < set_.count(); ++k) {
      std::vector<SafetensorsDeclaration> declared;
      ranges_.emplace_back();
      for (const WeightSource* weight : weights_) {
        SW_ASSIGN_OR_RETURN(ShardRanges ranges, shardRanges(*weight, axes_, k, mesh_));
        SafetensorsDeclaration declaration{plan_.constants(weight->constant).name(), weight->dtype, {}};
        for (const auto& dim : ranges) declaration.dims.push_back(countOf(dim));
        declared.push_back(std::move(declaration));
        ranges_.back().push_back(std::move(ranges));
      }
      bytes += SafetensorsWriter::fileBytes(declared);
      declared_.push_back(std::move(declared));
    }
    return bytes;
  }

  Status write(const std::string& modelFolder, const std::string& folder, std::map<std::string, File>& files,
               const std::function<void(int64_t)>& done) {
    std::vector<ShardStream> shards;
    for (int64_t k = 0; k < set_.count(); ++k) {
      SW_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                          SafetensorsWriter::create(folder + "/" + fileName(k), declared_[k]));
      shards.push_back({std::move(writer), {}});
    }
    for (size_t w = 0; w < weights_.size(); ++w) {
      const WeightSource& weight = *weights_[w];
      auto file = files.find(weight.location);
      if (file == files.end()) {
        SW_ASSIGN_OR_RETURN(File opened, File::openForReading(modelFolder + "/" + weight.location));
        file = files.emplace(weight.location, std::move(opened)).first;
      }
      std::vector<ShardRanges> ranges;
      for (int64_t k = 0; k < set_.count(); ++k) ranges.push_back(ranges_[k][w]);
      SW_RETURN_IF_ERROR(WeightCutter(weight, file->second, std::move(ranges), shards).run());
      done(weight.length);
    }
    for (int64_t k = 0; k < set_.count(); ++k) {
      SW_RETURN_IF_ERROR(shards[k].writer.finish());
      for (size_t w = 0; w < weights_.size(); ++w)
        plan_.mutable_constants(weights_[w]->constant)->add_crc32c(shards[k].writer.checksums()[w]);
      plan::Section* section = plan_.add_sections();
      section->set_file(fileName(k));
      section->set_bytes(SafetensorsWriter::fileBytes(declared_[k]));
      section->set_crc32c(shards[k].writer.headerChecksum());
    }
    return Status();
  }

 private:
  std::string fileName(int64_t k) const { return "weights/" + set_.name() + "-" + std::to_string(k) + ".safetensors"; }

  plan::Plan& plan_;
  const Mesh& mesh_;
  const plan::WeightSet& set_;
  std::vector<const WeightSource*> weights_;
  AxisList axes_;
  std::vector<std::vector<SafetensorsDeclaration>> declared_;  // by file
  std::vector<std::vector<ShardRanges>> ranges_;               // by file, then weight
};

}  // namespace

StatusOr<ShardRanges> shardRanges(const WeightSource& weight, llvm::ArrayRef<SubAxis> axes, int64_t file,
                                  const Mesh& mesh) {
  Bindings coordinates;
  for (const MeshAxis& axis : mesh.axes()) coordinates["@" + axis.name] = 0;
  for (size_t i = axes.size(); i-- > 0;) {
    const SubAxis& sub = axes[i];
    const MeshAxis& axis = mesh.axes()[sub.axis];
    coordinates["@" + axis.name] += file % sub.size * (axis.size / (sub.pre * sub.size));
    file /= sub.size;
  }
  ShardRanges ranges;
  for (size_t d = 0; d < weight.globalDims.size(); ++d) {
    std::optional<int64_t> dim = weight.globalDims[d].constant();
    if (!dim) return internalError("weight " + weight.location + " has a symbolic dim");
    std::vector<IndexRange> held = {{0, 1}};
    int64_t extents = 1;
    for (const DimSplit& split : weight.sharding.dims[d].factors) {
      int64_t extent = *split.extent.constant(), begin = 0, length = extent;
      if (!split.axes.empty()) {
        Part part = partOf(split, mesh);
        SW_ASSIGN_OR_RETURN(begin, part.begin.evaluate(coordinates));
        SW_ASSIGN_OR_RETURN(length, part.length.evaluate(coordinates));
      }
      // A range of n digits so far, each followed by the part of this factor: n pieces, or one if the part is all of it.
      std::vector<IndexRange> next;
      for (const IndexRange& range : held) {
        if (length == extent) {
          next.push_back({range.begin * extent, range.end * extent});
          continue;
        }
        for (int64_t i = range.begin; i < range.end; ++i)
          next.push_back({i * extent + begin, i * extent + begin + length});
      }
      held = std::move(next);
      extents *= extent;
    }
    int64_t inner = *dim / extents, begin = weight.begin[d];
    for (IndexRange& range : held) range = {begin + range.begin * inner, begin + range.end * inner};
    ranges.push_back(std::move(held));
  }
  return ranges;
}

Status writeWeights(const std::vector<WeightSource>& weights, plan::Plan& plan, const Mesh& mesh,
                    const std::string& modelFolder, const std::string& folder, const Progress& progress) {
  std::vector<std::vector<const WeightSource*>> bySet(plan.weight_sets_size());
  int64_t total = 0;
  for (const WeightSource& weight : weights) {
    bySet[plan.constants(weight.constant).weight_set() - 1].push_back(&weight);
    total += weight.length;
  }
  std::vector<SetWriter> writers;
  int64_t needed = 0;
  for (size_t s = 0; s < bySet.size(); ++s) {
    if (bySet[s].empty()) continue;
    writers.emplace_back(plan, mesh, s, bySet[s]);
    SW_ASSIGN_OR_RETURN(int64_t bytes, writers.back().layOut());
    needed += bytes;
  }
  SW_ASSIGN_OR_RETURN(int64_t available, freeDiskBytes(folder));
  if (needed > available)
    return environmentError(folder + ": the plan's weights take " + std::to_string(needed) + " bytes, the disk has " +
                            std::to_string(available) + " free; free some space or write elsewhere");
  std::error_code error;
  std::filesystem::create_directory(folder + "/weights", error);
  if (error) return environmentError(folder + "/weights: " + error.message());
  std::map<std::string, File> files;
  int64_t done = 0;
  for (SetWriter& writer : writers) {
    SW_RETURN_IF_ERROR(writer.write(modelFolder, folder, files, [&](int64_t bytes) {
      done += bytes;
      if (progress) progress(done, total);
    }));
  }
  return Status();
}

}  // namespace shardwright
