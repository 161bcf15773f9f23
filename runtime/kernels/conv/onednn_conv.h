// Owns convolutions of one float32 channels-last image by oneDNN: compiled for one shape, run on the calling thread.
#pragma once

#include <vector>

#include "runtime/kernels/onednn.h"
#include "runtime/kernels/window_geometry.h"

namespace shardwright {

struct ConvShape {
  int64_t channels = 0, filters = 0, group = 1;
  std::vector<WindowDim> spatial;
};

// What oneDNN applies itself, in order, while the result is in registers.
enum class NativePostOp { kRelu, kAdd /* of a tensor laid out as the result */ };

struct CompiledConv {
  dnnl_memory_desc_t source = {}, weights = {}, bias = {}, result = {}, scratch = {};
  onednn::Primitive primitive;
  int64_t scratchBytes = 0;
  bool hasBias = false;
  bool slow = false;  // oneDNN has only its reference implementation for this
  std::vector<NativePostOp> postOps;

  // weights null: in the layout that oneDNN chooses.
  static StatusOr<CompiledConv> compile(const ConvShape& shape, const dnnl_memory_desc_t* weights, bool hasBias,
                                        const std::vector<NativePostOp>& postOps);
};

// Weights as ONNX orders them, dense.
dnnl_memory_desc_t plainWeights(const ConvShape& shape);

// Rearranges weights; prepared once, run by any one thread.
class WeightsReorder {
 public:
  static StatusOr<WeightsReorder> make(const dnnl_memory_desc_t& from, const dnnl_memory_desc_t& to);
  void run(const void* from, void* to);
  // What run() last read; null before the first.
  const void* ranFrom() const { return ranFrom_; }

 private:
  const void* ranFrom_ = nullptr;
  onednn::Primitive primitive_;
  onednn::Placed from_, to_, scratch_;
  std::vector<char> scratchBytes_;
};

// A convolution with operands of one thread's own.
class ConvCall {
 public:
  static StatusOr<ConvCall> make(const CompiledConv& conv);
  // operands[i] is the tensor of the i-th native kAdd.
  void run(const float* x, const float* w, const float* bias, float* y, void* scratch, const float* const* operands);

 private:
  dnnl_primitive_t primitive_ = nullptr;
  bool hasBias_ = false;
  onednn::Placed source_, weights_, bias_, result_, scratch_;
  std::vector<int> addArgs_;
  std::vector<onednn::Placed> adds_;
};

}  // namespace shardwright
