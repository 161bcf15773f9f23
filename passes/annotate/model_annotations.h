// Owns what the model's own multi-device annotations mean on a mesh: which configuration is meant, and the sharding that one
// tensor's annotation asks for. It pins nothing.
#pragma once

#include <optional>
#include <vector>

#include "compiler/dist/sharding.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/device_annotations.h"

namespace shardwright {

// The mesh that a configuration's name says, if exactly one configuration's name is a mesh of as many ranks as it has devices:
// those that shardc writes. One device where none is.
Mesh meshOfNames(const std::vector<DeviceConfiguration>& configurations);

// The configuration for this mesh: the one of its name, else the only one of as many devices. Null where the model has none, or the
// mesh is one device. kUserError where none fits, or several do.
StatusOr<const DeviceConfiguration*> configurationFor(const std::vector<DeviceConfiguration>& configurations,
                                                      const Mesh& mesh);

// On the mesh of one stage. Devices are the ranks of the whole mesh, and lie in the node's stage if it has one (its chunk's, chunk
// modulo stages); where they lie in several stages, all hold the tensor alike. Nothing where the annotation says neither devices nor
// splits. kUserError says what is wrong, without the tensor's name.
StatusOr<std::optional<Sharding>> shardingAsked(const TensorAnnotation& asked, llvm::ArrayRef<Expr> dims,
                                                const Pipeline& pipeline, std::optional<int64_t> chunk);

}  // namespace shardwright
