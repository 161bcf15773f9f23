#include "runtime/kernels/conv/onednn_conv.h"

#include <cstring>

namespace shardwright {
namespace {

// Channels-last, dense: dims n, c, spatial….
dnnl_memory_desc_t imageDesc(int64_t channels, const std::vector<int64_t>& spatial) {
  int rank = static_cast<int>(spatial.size()) + 2;
  dnnl_dims_t dims = {1, channels}, strides = {0, 1};
  int64_t step = channels;
  for (int i = rank - 1; i >= 2; --i) {
    dims[i] = spatial[i - 2];
    strides[i] = step;
    step *= dims[i];
  }
  strides[0] = step;
  dnnl_memory_desc_t desc;
  dnnl_memory_desc_init_by_strides(&desc, rank, dims, dnnl_f32, strides);
  return desc;
}

int weightDims(const ConvShape& shape, dnnl_dims_t dims) {
  int rank = 0;
  if (shape.group > 1) dims[rank++] = shape.group;
  dims[rank++] = shape.filters / shape.group;
  dims[rank++] = shape.channels / shape.group;
  for (const WindowDim& dim : shape.spatial) dims[rank++] = dim.kernel;
  return rank;
}

StatusOr<onednn::PrimitiveAttr> attributes(const std::vector<NativePostOp>& wanted, const dnnl_memory_desc_t& result) {
  onednn::PrimitiveAttr attr = onednn::userScratchpad();
  dnnl_post_ops_t ops = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_post_ops_create(&ops), "dnnl_post_ops_create"));
  dnnl_status_t status = dnnl_success;
  for (NativePostOp op : wanted) {
    if (status != dnnl_success) break;
    status = op == NativePostOp::kRelu ? dnnl_post_ops_append_eltwise(ops, 1.f, dnnl_eltwise_relu, 0.f, 0.f)
                                       : dnnl_post_ops_append_binary(ops, dnnl_binary_add, &result);
  }
  if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attr.get(), ops);
  dnnl_post_ops_destroy(ops);
  SW_RETURN_IF_ERROR(onednn::check(status, "dnnl_primitive_attr_set_post_ops"));
  return attr;
}

}  // namespace

dnnl_memory_desc_t plainWeights(const ConvShape& shape) {
  dnnl_dims_t dims, strides;
  int rank = weightDims(shape, dims);
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= dims[i];
  }
  dnnl_memory_desc_t desc;
  dnnl_memory_desc_init_by_strides(&desc, rank, dims, dnnl_f32, strides);
  return desc;
}

StatusOr<CompiledConv> CompiledConv::compile(const ConvShape& shape, const dnnl_memory_desc_t* weights, bool hasBias,
                                             const std::vector<NativePostOp>& postOps) {
  onednn::OneThread oneThread;
  CompiledConv conv;
  conv.hasBias = hasBias;
  conv.postOps = postOps;
  std::vector<int64_t> in, out;
  dnnl_dims_t strides, dilates, padBegin, padEnd, weightShape, biasShape = {shape.filters};
  for (size_t i = 0; i < shape.spatial.size(); ++i) {
    const WindowDim& dim = shape.spatial[i];
    in.push_back(dim.input);
    out.push_back(dim.output);
    strides[i] = dim.stride;
    dilates[i] = dim.dilation - 1;
    padBegin[i] = dim.padBegin;
    padEnd[i] = dim.padEnd;
  }
  conv.source = imageDesc(shape.channels, in);
  conv.result = imageDesc(shape.filters, out);
  int rank = weightDims(shape, weightShape);
  dnnl_memory_desc_t any;
  dnnl_memory_desc_init_by_tag(&any, rank, weightShape, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag(&conv.bias, 1, biasShape, dnnl_f32, dnnl_a);
  dnnl_convolution_desc_t desc;
  SW_RETURN_IF_ERROR(onednn::check(
      dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &conv.source,
                                                 weights != nullptr ? weights : &any, hasBias ? &conv.bias : nullptr,
                                                 &conv.result, strides, dilates, padBegin, padEnd),
      "dnnl_dilated_convolution_forward_desc_init"));
  SW_ASSIGN_OR_RETURN(onednn::PrimitiveAttr attr, attributes(postOps, conv.result));
  dnnl_primitive_desc_t handle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_desc_create(&handle, &desc, attr.get(), onednn::engine(), nullptr),
                                   "dnnl_primitive_desc_create for convolution"));
  onednn::PrimitiveDesc made(handle);
  const char* implementation = "";
  dnnl_primitive_desc_query(handle, dnnl_query_impl_info_str, 0, &implementation);
  conv.slow = std::strncmp(implementation, "ref", 3) == 0;
  conv.weights = *dnnl_primitive_desc_query_md(handle, dnnl_query_weights_md, 0);
  conv.scratch = *dnnl_primitive_desc_query_md(handle, dnnl_query_scratchpad_md, 0);
  conv.scratchBytes = static_cast<int64_t>(dnnl_memory_desc_get_size(&conv.scratch));
  dnnl_primitive_t primitive = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_create(&primitive, handle), "dnnl_primitive_create for convolution"));
  conv.primitive.reset(primitive);
  return conv;
}

StatusOr<WeightsReorder> WeightsReorder::make(const dnnl_memory_desc_t& from, const dnnl_memory_desc_t& to) {
  onednn::OneThread oneThread;
  WeightsReorder reorder;
  onednn::PrimitiveAttr attr = onednn::userScratchpad();
  dnnl_primitive_desc_t handle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(
      dnnl_reorder_primitive_desc_create(&handle, &from, onednn::engine(), &to, onednn::engine(), attr.get()),
      "dnnl_reorder_primitive_desc_create"));
  onednn::PrimitiveDesc desc(handle);
  dnnl_primitive_t primitive = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_create(&primitive, handle), "dnnl_primitive_create for reorder"));
  reorder.primitive_.reset(primitive);
  dnnl_memory_desc_t scratch = *dnnl_primitive_desc_query_md(handle, dnnl_query_scratchpad_md, 0);
  reorder.scratchBytes_.resize(dnnl_memory_desc_get_size(&scratch) + 64);
  SW_ASSIGN_OR_RETURN(onednn::Memory fromMemory, onednn::makeMemory(from));
  SW_ASSIGN_OR_RETURN(onednn::Memory toMemory, onednn::makeMemory(to));
  SW_ASSIGN_OR_RETURN(onednn::Memory scratchMemory, onednn::makeMemory(scratch));
  reorder.from_ = onednn::Placed(std::move(fromMemory));
  reorder.to_ = onednn::Placed(std::move(toMemory));
  reorder.scratch_ = onednn::Placed(std::move(scratchMemory));
  return reorder;
}

void WeightsReorder::run(const void* from, void* to) {
  onednn::OneThread oneThread;
  char* scratch = scratchBytes_.data() + (64 - reinterpret_cast<uintptr_t>(scratchBytes_.data()) % 64) % 64;
  dnnl_exec_arg_t args[] = {
      {DNNL_ARG_FROM, from_.at(from)}, {DNNL_ARG_TO, to_.at(to)}, {DNNL_ARG_SCRATCHPAD, scratch_.at(scratch)}};
  dnnl_primitive_execute(primitive_.get(), onednn::stream(), 3, args);
  ranFrom_ = from;
}

StatusOr<ConvCall> ConvCall::make(const CompiledConv& conv) {
  ConvCall call;
  call.primitive_ = conv.primitive.get();
  call.hasBias_ = conv.hasBias;
  auto place = [](const dnnl_memory_desc_t& desc, onednn::Placed& placed) {
    auto memory = onednn::makeMemory(desc);
    if (memory.ok()) placed = onednn::Placed(std::move(*memory));
    return memory.ok() ? Status() : memory.status();
  };
  SW_RETURN_IF_ERROR(place(conv.source, call.source_));
  SW_RETURN_IF_ERROR(place(conv.weights, call.weights_));
  if (conv.hasBias) SW_RETURN_IF_ERROR(place(conv.bias, call.bias_));
  SW_RETURN_IF_ERROR(place(conv.result, call.result_));
  SW_RETURN_IF_ERROR(place(conv.scratch, call.scratch_));
  for (size_t i = 0; i < conv.postOps.size(); ++i) {
    if (conv.postOps[i] != NativePostOp::kAdd) continue;
    call.addArgs_.push_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(i)) | DNNL_ARG_SRC_1);
    call.adds_.emplace_back();
    SW_RETURN_IF_ERROR(place(conv.result, call.adds_.back()));
  }
  return call;
}

void ConvCall::run(const float* x, const float* w, const float* bias, float* y, void* scratch,
                   const float* const* operands) {
  constexpr int kMaxArgs = 16;
  dnnl_exec_arg_t args[kMaxArgs];
  int n = 0;
  args[n++] = {DNNL_ARG_SRC, source_.at(x)};
  args[n++] = {DNNL_ARG_WEIGHTS, weights_.at(w)};
  if (hasBias_) args[n++] = {DNNL_ARG_BIAS, bias_.at(bias)};
  args[n++] = {DNNL_ARG_DST, result_.at(y)};
  args[n++] = {DNNL_ARG_SCRATCHPAD, scratch_.at(scratch)};
  for (size_t i = 0; i < adds_.size() && n < kMaxArgs; ++i) args[n++] = {addArgs_[i], adds_[i].at(operands[i])};
  dnnl_primitive_execute(primitive_, onednn::stream(), n, args);
}

}  // namespace shardwright
