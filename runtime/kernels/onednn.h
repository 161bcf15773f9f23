// Owns the use of oneDNN's C interface: handles that free themselves, the process's engine and stream, one thread per
// call. The C++ interface allocates maps on every execution; this one does not. It does not own shapes or layouts.
#pragma once

#include <dnnl.h>

#include <memory>
#include <string>

#include "runtime/base/status.h"

namespace shardwright::onednn {

template <typename T, dnnl_status_t (*destroy)(T*)>
struct Destroyer {
  void operator()(T* handle) const { destroy(handle); }
};
using Primitive = std::unique_ptr<dnnl_primitive, Destroyer<dnnl_primitive, dnnl_primitive_destroy>>;
using PrimitiveDesc = std::unique_ptr<dnnl_primitive_desc, Destroyer<dnnl_primitive_desc, dnnl_primitive_desc_destroy>>;
using Memory = std::unique_ptr<dnnl_memory, Destroyer<dnnl_memory, dnnl_memory_destroy>>;
using PrimitiveAttr = std::unique_ptr<dnnl_primitive_attr, Destroyer<dnnl_primitive_attr, dnnl_primitive_attr_destroy>>;

// The CPU engine and its stream, made once. Streams of the CPU hold no state: any thread may use it.
dnnl_engine_t engine();
dnnl_stream_t stream();

// While it lives, oneDNN creates and runs primitives on the current thread alone. Debian's oneDNN takes its threads from
// OpenMP, where each calling thread would get a team of its own.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// An internal error that names the call, unless the status is success.
Status check(dnnl_status_t status, const std::string& call);

// Attributes that leave the scratch memory to us.
PrimitiveAttr userScratchpad();

// A memory object without data; set its handle before use.
StatusOr<Memory> makeMemory(const dnnl_memory_desc_t& desc);

// Keeps the handle of `memory` at `data`; oneDNN is called only where it moves.
class Placed {
 public:
  Placed() = default;
  explicit Placed(Memory memory) : memory_(std::move(memory)) {}
  dnnl_memory_t at(const void* data) {
    if (data != data_) {
      data_ = data;
      dnnl_memory_set_data_handle(memory_.get(), const_cast<void*>(data));
    }
    return memory_.get();
  }

 private:
  Memory memory_;
  const void* data_ = nullptr;
};

}  // namespace shardwright::onednn
