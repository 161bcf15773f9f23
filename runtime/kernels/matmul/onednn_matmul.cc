#include "runtime/kernels/matmul/onednn_matmul.h"

namespace shardwright {
namespace {

constexpr int64_t kTypicalRows = 128;  // what a layout is chosen for; measured to be the same for 1 to 1024

StatusOr<onednn::PrimitiveDesc> describeMatmul(const dnnl_memory_desc_t& a, const dnnl_memory_desc_t& b,
                                               const dnnl_memory_desc_t& c) {
  dnnl_matmul_desc_t desc;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_matmul_desc_init(&desc, &a, &b, nullptr, &c), "dnnl_matmul_desc_init"));
  onednn::PrimitiveAttr attr = onednn::userScratchpad();
  dnnl_primitive_desc_t handle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_desc_create(&handle, &desc, attr.get(), onednn::engine(), nullptr),
                                   "dnnl_primitive_desc_create for matmul"));
  return onednn::PrimitiveDesc(handle);
}

}  // namespace

dnnl_memory_desc_t stridedMatrix(int64_t rows, int64_t columns, int64_t rowStride, int64_t columnStride) {
  dnnl_memory_desc_t desc;
  dnnl_dims_t dims = {rows, columns}, strides = {rowStride, columnStride};
  dnnl_memory_desc_init_by_strides(&desc, 2, dims, dnnl_f32, strides);
  return desc;
}

bool usableStrides(int64_t rows, int64_t columns, int64_t& rowStride, int64_t& columnStride) {
  if (columns == 1 && rowStride >= 1) columnStride = 1;
  if (rows == 1 && columnStride == 1) rowStride = columns;
  if (rows == 1 && columnStride > 1) rowStride = 1;
  return (columnStride == 1 && rowStride >= columns) || (rowStride == 1 && columnStride >= rows);
}

StatusOr<PackedLayout> PackedLayout::choose(int64_t k, int64_t n) {
  onednn::OneThread oneThread;
  dnnl_memory_desc_t any;
  dnnl_dims_t dims = {k, n};
  SW_RETURN_IF_ERROR(onednn::check(dnnl_memory_desc_init_by_tag(&any, 2, dims, dnnl_f32, dnnl_format_tag_any),
                                   "dnnl_memory_desc_init_by_tag"));
  SW_ASSIGN_OR_RETURN(onednn::PrimitiveDesc made,
                      describeMatmul(stridedMatrix(kTypicalRows, k, k, 1), any, stridedMatrix(kTypicalRows, n, n, 1)));
  PackedLayout layout;
  layout.desc_ = *dnnl_primitive_desc_query_md(made.get(), dnnl_query_weights_md, 0);
  const dnnl_blocking_desc_t& blocking = layout.desc_.format_desc.blocking;
  if (layout.desc_.format_kind != dnnl_blocked || blocking.inner_nblks == 0) return layout;
  int64_t columnBlock = 1;
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    if (blocking.inner_idxs[i] == 1) columnBlock *= blocking.inner_blks[i];
  }
  int64_t elements = static_cast<int64_t>(dnnl_memory_desc_get_size(&layout.desc_) / sizeof(float));
  // Column blocks must be outermost for a range of them to be a packed matrix of its own.
  int64_t blocks = layout.desc_.padded_dims[1] / columnBlock;
  if (blocks * blocking.strides[1] != elements || layout.desc_.offset0 != 0) return layout;
  layout.columnBlock_ = columnBlock;
  layout.blockElements_ = blocking.strides[1];
  layout.elements_ = (elements + 15) / 16 * 16;
  return layout;
}

StatusOr<dnnl_memory_desc_t> PackedLayout::columns(int64_t first, int64_t columns) const {
  dnnl_memory_desc_t part;
  dnnl_dims_t dims = {desc_.dims[0], columns}, offsets = {0, first};
  SW_RETURN_IF_ERROR(
      onednn::check(dnnl_memory_desc_init_submemory(&part, &desc_, dims, offsets), "dnnl_memory_desc_init_submemory"));
  part.offset0 = 0;
  return part;
}

Status PackedLayout::pack(const float* from, int64_t rowStride, int64_t columnStride, float* to) const {
  onednn::OneThread oneThread;
  dnnl_memory_desc_t plain = stridedMatrix(desc_.dims[0], desc_.dims[1], rowStride, columnStride);
  dnnl_primitive_desc_t handle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(
      dnnl_reorder_primitive_desc_create(&handle, &plain, onednn::engine(), &desc_, onednn::engine(), nullptr),
      "dnnl_reorder_primitive_desc_create"));
  onednn::PrimitiveDesc desc(handle);
  dnnl_primitive_t primitiveHandle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_create(&primitiveHandle, handle), "dnnl_primitive_create"));
  onednn::Primitive reorder(primitiveHandle);
  SW_ASSIGN_OR_RETURN(onednn::Memory source, onednn::makeMemory(plain));
  SW_ASSIGN_OR_RETURN(onednn::Memory target, onednn::makeMemory(desc_));
  onednn::Placed placedSource(std::move(source)), placedTarget(std::move(target));
  dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, placedSource.at(from)}, {DNNL_ARG_TO, placedTarget.at(to)}};
  return onednn::check(dnnl_primitive_execute(reorder.get(), onednn::stream(), 2, args), "reorder");
}

StatusOr<TileProduct> TileProduct::compile(const dnnl_memory_desc_t& a, const dnnl_memory_desc_t& b,
                                           const dnnl_memory_desc_t& c) {
  onednn::OneThread oneThread;
  TileProduct product;
  product.a = a;
  product.b = b;
  product.c = c;
  SW_ASSIGN_OR_RETURN(onednn::PrimitiveDesc desc, describeMatmul(a, b, c));
  product.scratchDesc = *dnnl_primitive_desc_query_md(desc.get(), dnnl_query_scratchpad_md, 0);
  product.scratchBytes = static_cast<int64_t>(dnnl_memory_desc_get_size(&product.scratchDesc));
  dnnl_primitive_t handle = nullptr;
  SW_RETURN_IF_ERROR(onednn::check(dnnl_primitive_create(&handle, desc.get()), "dnnl_primitive_create for matmul"));
  product.primitive.reset(handle);
  return product;
}

StatusOr<TileCall> TileCall::make(const TileProduct& product) {
  TileCall call;
  call.primitive_ = product.primitive.get();
  SW_ASSIGN_OR_RETURN(onednn::Memory a, onednn::makeMemory(product.a));
  SW_ASSIGN_OR_RETURN(onednn::Memory b, onednn::makeMemory(product.b));
  SW_ASSIGN_OR_RETURN(onednn::Memory c, onednn::makeMemory(product.c));
  SW_ASSIGN_OR_RETURN(onednn::Memory scratch, onednn::makeMemory(product.scratchDesc));
  call.a_ = onednn::Placed(std::move(a));
  call.b_ = onednn::Placed(std::move(b));
  call.c_ = onednn::Placed(std::move(c));
  call.scratch_ = onednn::Placed(std::move(scratch));
  return call;
}

void TileCall::run(const float* a, const float* b, float* c, void* scratch) {
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, a_.at(a)},
                            {DNNL_ARG_WEIGHTS, b_.at(b)},
                            {DNNL_ARG_DST, c_.at(c)},
                            {DNNL_ARG_SCRATCHPAD, scratch_.at(scratch)}};
  dnnl_primitive_execute(primitive_, onednn::stream(), 4, args);
}

}  // namespace shardwright
