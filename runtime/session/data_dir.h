// Owns a folder of test data in ONNX's layout (input_0.pb, output_0.pb, …) or of NAME.npy files named after the model's
// inputs and outputs; and made-up inputs where there is none. It does not compare.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/host_tensor.h"
#include "runtime/base/status.h"
#include "runtime/session/session.h"

namespace shardwright {

// One tensor per input, in order; an optional input without a file has no bytes. kUserError that names the files looked
// for, for all inputs that lack them, or that are of an input that the model does not have.
StatusOr<std::vector<HostTensor>> readInputs(const std::string& folder, const std::vector<PortDescription>& ports);

// One per output that has a file; kUserError if none has.
StatusOr<std::vector<std::optional<HostTensor>>> readExpectedOutputs(const std::string& folder,
                                                                     const std::vector<PortDescription>& ports);

// Writes output_N.pb, making the folder where its parent is there.
Status writeOutputs(const std::string& folder, const std::vector<PortDescription>& ports,
                    const std::vector<HostTensor>& outputs);

// Values at the assumed sizes, equal for equal seeds on every machine: floats in [-1, 1); integers 0 or 1, which every
// table of embeddings and every mask allows; bools both.
std::vector<HostTensor> randomInputs(const std::vector<PortDescription>& ports, uint64_t seed);

// The port's name as a file's: characters other than letters, digits, '.', '_' and '-' become '_'.
std::string fileName(const std::string& port);

}  // namespace shardwright
