#include "runtime/device/cpu/cpu_features.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

namespace shardwright {
namespace {

std::string squeezed(const std::string& name) {
  std::string letters;
  for (char c : name) {
    if (c != '_' && c != '-' && c != '.') letters += c;
  }
  return letters;
}

// Where the kernel and LLVM differ by more than punctuation.
std::string kernelName(const std::string& feature) {
  static const std::map<std::string, std::string> kNames = {
      {"sse3", "pni"},    {"lzcnt", "abm"},        {"bmi", "bmi1"},      {"sha", "shani"},
      {"sahf", "lahflm"}, {"pclmul", "pclmulqdq"}, {"rdrnd", "rdrand"},  {"prfchw", "3dnowprefetch"},
      {"64bit", "lm"},    {"x87", "fpu"},          {"crc32", "sse42"},   {"evex512", "avx512f"},
      {"fp-armv8", "fp"}, {"neon", "asimd"},       {"fullfp16", "fphp"}, {"dotprod", "asimddp"},
  };
  auto found = kNames.find(feature);
  return found == kNames.end() ? squeezed(feature) : found->second;
}

}  // namespace

std::set<std::string> cpuFlags(const std::string& cpuinfo) {
  std::istringstream lines(cpuinfo);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
    std::istringstream words(line.substr(std::min(line.find(':') + 1, line.size())));
    std::set<std::string> flags;
    for (std::string word; words >> word;) flags.insert(squeezed(word));
    return flags;
  }
  return {};
}

std::set<std::string> hostCpuFlags() {
  std::ifstream file("/proc/cpuinfo");
  std::stringstream text;
  text << file.rdbuf();
  return cpuFlags(text.str());
}

std::vector<std::string> missingCpuFeatures(const std::vector<std::string>& features,
                                            const std::set<std::string>& flags) {
  std::vector<std::string> missing;
  for (const std::string& feature : features) {
    if (!flags.count(kernelName(feature))) missing.push_back(feature);
  }
  return missing;
}

std::vector<int> usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

}  // namespace shardwright
