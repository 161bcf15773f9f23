#include "runtime/kernels/onednn.h"

#include <omp.h>

namespace shardwright::onednn {

dnnl_engine_t engine() {
  static const dnnl_engine_t made = [] {
    dnnl_engine_t handle = nullptr;
    dnnl_engine_create(&handle, dnnl_cpu, 0);
    return handle;
  }();
  return made;
}

dnnl_stream_t stream() {
  static const dnnl_stream_t made = [] {
    dnnl_stream_t handle = nullptr;
    dnnl_stream_create(&handle, engine(), dnnl_stream_default_flags);
    return handle;
  }();
  return made;
}

OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

Status check(dnnl_status_t status, const std::string& call) {
  if (status == dnnl_success) return Status();
  return internalError("oneDNN: " + call + " gave status " + std::to_string(status));
}

PrimitiveAttr userScratchpad() {
  dnnl_primitive_attr_t handle = nullptr;
  dnnl_primitive_attr_create(&handle);
  dnnl_primitive_attr_set_scratchpad_mode(handle, dnnl_scratchpad_mode_user);
  return PrimitiveAttr(handle);
}

StatusOr<Memory> makeMemory(const dnnl_memory_desc_t& desc) {
  dnnl_memory_t handle = nullptr;
  SW_RETURN_IF_ERROR(check(dnnl_memory_create(&handle, &desc, engine(), DNNL_MEMORY_NONE), "dnnl_memory_create"));
  return Memory(handle);
}

}  // namespace shardwright::onednn
