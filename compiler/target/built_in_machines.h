// Owns the list of machine files that are built in; its definition is generated from data/machines/*.json by CMake.
#pragma once

#include <string_view>
#include <vector>

namespace shardwright {

struct BuiltInMachine {
  std::string_view stem, text;
};

extern const std::vector<BuiltInMachine> kBuiltInMachines;

}  // namespace shardwright
