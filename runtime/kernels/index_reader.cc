#include "runtime/kernels/index_reader.h"

#include "runtime/kernels/attr_reader.h"

namespace shardwright {

Status checkIndexedTypes(const KernelSpec& spec) {
  if (bitWidth(spec.inputs[0]) >= 8 && spec.inputs[0] == spec.outputs[0] && isIndexType(spec.inputs[1])) {
    return Status();
  }
  return stepError(spec, "has data of " + std::string(dtypeName(spec.inputs[0])) + ", indices of " +
                             std::string(dtypeName(spec.inputs[1])) + " and an output of " +
                             std::string(dtypeName(spec.outputs[0])) +
                             "; data and output must have one type of at least a byte, indices int32 or int64");
}

}  // namespace shardwright
