// Owns the table of all ops that have a row, as text for people (`shardc --list-ops`).
#pragma once

#include <string>

namespace shardwright {

// One line per op, in alphabetical order: name, how it is lowered, its sharding rule.
std::string listOps();

}  // namespace shardwright
