#include "compiler/target/machine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>

#include "compiler/target/built_in_machines.h"

namespace shardwright {
namespace {

using Json = nlohmann::json;

constexpr int kMachineVersion = 1;
constexpr std::string_view kKindNames[kNumCollectiveCosts] = {"allReduce", "allGather", "reduceScatter",
                                                              "allToAll",  "broadcast", "permute"};

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// A key that is misspelt would silently leave a default in place.
Status checkKeys(const Json& object, const std::vector<std::string>& allowed, const std::string& where) {
  if (!object.is_object()) return userError(where + ": found " + object.dump() + "; expected an object");
  for (const auto& item : object.items()) {
    if (std::find(allowed.begin(), allowed.end(), item.key()) == allowed.end()) {
      return userError(where + ": unknown key \"" + item.key() + "\"; the keys are " + listed(allowed));
    }
  }
  return Status();
}

StatusOr<double> readNumber(const Json& object, const char* key, double least, const std::string& where) {
  auto found = object.find(key);
  if (found == object.end()) return userError(where + ": \"" + key + "\" is missing; give a number");
  if (!found->is_number() || !(found->get<double>() >= least) || !std::isfinite(found->get<double>())) {
    return userError(where + ": \"" + key + "\" is " + found->dump() + "; expected a number of at least " +
                     Json(least).dump());
  }
  return found->get<double>();
}

constexpr double kLeastRate = 1;  // per second: rates are divided by

Status readFlops(const Json& root, const std::string& where, Machine& machine) {
  auto found = root.find("flopsPerSecond");
  if (found == root.end() || !found->is_object() || !found->contains("float32")) {
    return userError(where + ": \"flopsPerSecond\" must be an object from types to numbers, with at least \"float32\"");
  }
  for (const auto& item : found->items()) {
    std::optional<DType> type = dtypeFromName(item.key());
    if (!type) {
      return userError(where + ": \"flopsPerSecond\": unknown type \"" + item.key() +
                       "\"; types are named float32, float16, bfloat16, int8, …");
    }
    SW_ASSIGN_OR_RETURN(machine.flopsPerSecond[*type],
                        readNumber(*found, item.key().c_str(), kLeastRate, where + ": \"flopsPerSecond\""));
  }
  return Status();
}

// Points ascend, and time never falls with bytes: bandwidth may at most grow as fast as the bytes.
Status readBandwidth(const Json& points, const std::string& where, CollectiveCurve& curve) {
  if (!points.is_array() || points.empty()) {
    return userError(where + ": \"bandwidth\" must be a list of [bytes, bytes per second], at least one");
  }
  for (const Json& point : points) {
    if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number() ||
        point[0].get<double>() < 1 || point[1].get<double>() < kLeastRate) {
      return userError(where + ": \"bandwidth\" has " + point.dump() +
                       "; expected [bytes, bytes per second], both ≥ 1");
    }
    CollectiveCurve::Point next{point[0].get<double>(), point[1].get<double>()};
    if (!curve.bandwidth.empty()) {
      const CollectiveCurve::Point& last = curve.bandwidth.back();
      if (next.bytes <= last.bytes || next.bytesPerSecond / next.bytes > last.bytesPerSecond / last.bytes) {
        return userError(where + ": \"bandwidth\" at " + point.dump() +
                         ": bytes must ascend, and more bytes must not take less time");
      }
    }
    curve.bandwidth.push_back(next);
  }
  return Status();
}

Status readCurves(const Json& list, const std::string& where, std::vector<CollectiveCurve>& curves) {
  if (!list.is_array() || list.empty()) return userError(where + ": expected a list of at least one group size");
  for (size_t i = 0; i < list.size(); ++i) {
    std::string here = where + "[" + std::to_string(i) + "]";
    SW_RETURN_IF_ERROR(checkKeys(list[i], {"groupSize", "latencySeconds", "bandwidth"}, here));
    CollectiveCurve curve;
    SW_ASSIGN_OR_RETURN(double groupSize, readNumber(list[i], "groupSize", 2, here));
    if (groupSize != std::floor(groupSize) || groupSize > 1e9) {
      return userError(here + ": \"groupSize\" is " + list[i]["groupSize"].dump() + "; expected a whole number");
    }
    curve.groupSize = static_cast<int>(groupSize);
    if (!curves.empty() && curve.groupSize <= curves.back().groupSize) {
      return userError(here + ": \"groupSize\" must ascend along the list");
    }
    SW_ASSIGN_OR_RETURN(curve.latencySeconds, readNumber(list[i], "latencySeconds", 0, here));
    if (!list[i].contains("bandwidth")) return userError(here + ": \"bandwidth\" is missing");
    SW_RETURN_IF_ERROR(readBandwidth(list[i]["bandwidth"], here, curve));
    curves.push_back(std::move(curve));
  }
  return Status();
}

}  // namespace

std::string_view collectiveCostName(CollectiveCost kind) { return kKindNames[static_cast<int>(kind)]; }

double CollectiveCurve::bytesPerSecondAt(double bytes) const {
  auto above =
      std::find_if(bandwidth.begin(), bandwidth.end(), [&](const Point& point) { return point.bytes >= bytes; });
  if (above == bandwidth.begin()) return bandwidth.front().bytesPerSecond;
  if (above == bandwidth.end()) return bandwidth.back().bytesPerSecond;
  const Point& below = *std::prev(above);
  double part = std::log(bytes / below.bytes) / std::log(above->bytes / below.bytes);
  return below.bytesPerSecond * std::pow(above->bytesPerSecond / below.bytesPerSecond, part);
}

const CollectiveCurve& Machine::curve(CollectiveCost kind, int groupSize) const {
  const std::vector<CollectiveCurve>& curves = collectives[static_cast<int>(kind)];
  for (const CollectiveCurve& curve : curves) {
    if (curve.groupSize >= groupSize) return curve;
  }
  return curves.back();
}

StatusOr<Machine> parseMachine(std::string_view text, const std::string& where) {
  Json root = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (root.is_discarded()) return userError(where + ": not JSON");
  SW_RETURN_IF_ERROR(checkKeys(root,
                               {"version", "name", "threadsPerRank", "flopsPerSecond", "memoryBytesPerSecond",
                                "launchSeconds", "backgroundShare", "collectives"},
                               where));
  SW_ASSIGN_OR_RETURN(double version, readNumber(root, "version", 0, where));
  if (version != kMachineVersion) {
    return userError(where + ": a machine file of version " + root["version"].dump() + "; this program reads version " +
                     std::to_string(kMachineVersion));
  }
  Machine machine;
  if (!root.contains("name") || !root["name"].is_string()) return userError(where + ": \"name\" must be a string");
  machine.name = root["name"].get<std::string>();
  SW_ASSIGN_OR_RETURN(double threads, readNumber(root, "threadsPerRank", 1, where));
  machine.threadsPerRank = static_cast<int>(std::min(threads, 1e6));
  SW_RETURN_IF_ERROR(readFlops(root, where, machine));
  SW_ASSIGN_OR_RETURN(machine.memoryBytesPerSecond, readNumber(root, "memoryBytesPerSecond", kLeastRate, where));
  SW_ASSIGN_OR_RETURN(machine.launchSeconds, readNumber(root, "launchSeconds", 0, where));
  if (root.contains("backgroundShare")) {
    SW_ASSIGN_OR_RETURN(machine.backgroundShare, readNumber(root, "backgroundShare", 0, where));
    if (machine.backgroundShare > 1) return userError(where + ": \"backgroundShare\" must be a share, at most 1");
  }
  if (!root.contains("collectives")) return userError(where + ": \"collectives\" is missing");
  const Json& collectives = root["collectives"];
  SW_RETURN_IF_ERROR(
      checkKeys(collectives, {std::begin(kKindNames), std::end(kKindNames)}, where + ": \"collectives\""));
  for (int kind = 0; kind < kNumCollectiveCosts; ++kind) {
    std::string key(kKindNames[kind]);
    std::string here = where + ": \"collectives\"." + key;
    if (!collectives.contains(key)) return userError(here + " is missing");
    SW_RETURN_IF_ERROR(readCurves(collectives[key], here, machine.collectives[kind]));
  }
  return machine;
}

StatusOr<Machine> loadMachine(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return userError(path + ": cannot be read; expected a machine file (data/machines has examples)");
  return parseMachine(text, path);
}

StatusOr<Machine> builtInMachine(std::string_view stem) {
  for (const BuiltInMachine& file : kBuiltInMachines) {
    if (file.stem == stem) return parseMachine(file.text, std::string(stem) + ".json");
  }
  return userError("no machine named \"" + std::string(stem) + "\" is built in; there are " +
                   listed(builtInMachineNames()));
}

std::vector<std::string> builtInMachineNames() {
  std::vector<std::string> names;
  for (const BuiltInMachine& file : kBuiltInMachines) names.emplace_back(file.stem);
  return names;
}

}  // namespace shardwright
