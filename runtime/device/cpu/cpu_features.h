// Owns the question whether this machine's CPU can run code made for certain features. It does not choose code.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace shardwright {

// The flags of the first CPU of a text in the form of /proc/cpuinfo, without '_', '-' and '.'.
std::set<std::string> cpuFlags(const std::string& cpuinfo);
// Those of this machine; empty if they cannot be read.
std::set<std::string> hostCpuFlags();

// Those of `features` (LLVM's names: "avx2", "sse4.1", "avx512vbmi2") that the flags lack, in order.
std::vector<std::string> missingCpuFeatures(const std::vector<std::string>& features,
                                            const std::set<std::string>& flags);

// How many threads may run at once here: the CPUs this process may use, and which they are.
std::vector<int> usableCpus();

}  // namespace shardwright
