// Owns the ways to compute a convolution: as a matrix product where the kernel is 1 × 1 or windows lie side by side, and by
// oneDNN's convolution on ranges of output rows cut over the threads.
#pragma once

#include "runtime/kernels/conv/onednn_conv.h"
#include "runtime/kernels/matmul/float_matmul.h"

namespace shardwright {

// The output's strides with channels last: dims n, spatial…, m. Post-op operands follow by the same function.
TensorRef channelsLastView(const TensorRef& tensor);

// spec.inputs[2] is the bias. The shape's kernel must be 1 in every dim and its group 1; `packed` says whether w is,
// as a constant [channels, filters] matrix.
StatusOr<std::unique_ptr<PreparedKernel>> preparePointwiseConv(const KernelSpec& spec, ConvShape shape,
                                                               const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                               const std::vector<PostOps::Op>& ops, bool packed,
                                                               int numThreads);

// The same for windows side by side, whose kernel is packed as a [channels × kernel, filters] matrix.
StatusOr<std::unique_ptr<PreparedKernel>> preparePatchConv(const KernelSpec& spec, ConvShape shape,
                                                           const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                           const std::vector<PostOps::Op>& ops, int numThreads);

// w is packed in the layout *packed, or as ONNX orders it if null.
StatusOr<std::unique_ptr<PreparedKernel>> prepareWindowConv(const KernelSpec& spec, ConvShape shape,
                                                            const std::vector<TensorRef>& inputs, const TensorRef& y,
                                                            const std::vector<PostOps::Op>& ops,
                                                            const dnnl_memory_desc_t* packed, int numThreads);

}  // namespace shardwright
