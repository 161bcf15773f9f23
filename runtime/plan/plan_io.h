// Owns how a plan is stored: plan.pb in the plan's folder, and the text form that tests write. What a plan must satisfy
// is checker.h's; the other files of the folder are Plan.sections.
//
// plan.pb, little endian: "SHWDPLAN", version (4 bytes), CRC-32C (4 bytes) of everything else in the file, a serialized
// shardwright.plan.Plan to the end. Equal plans give equal bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

constexpr uint32_t kPlanVersion = 1;
constexpr const char* kPlanFileName = "plan.pb";

std::string serializePlan(const plan::Plan& plan);
// kUserError if any byte is damaged, or the version is another one (both are named). `where` begins the message.
StatusOr<plan::Plan> deserializePlan(std::string_view bytes, const std::string& where);

// The folder exists; the file is replaced atomically.
Status savePlan(const std::string& folder, const plan::Plan& plan);
// Also refuses a folder whose sections are missing or of another size than the plan says.
StatusOr<plan::Plan> loadPlan(const std::string& folder);
// Whether the folder holds a plan of any version, damaged or not: what shardc may replace.
bool isPlanFolder(const std::string& folder);

// Tells plans apart, 8 hexadecimal digits: what is written about a plan names it by this.
std::string planFingerprint(const plan::Plan& plan);

// Reads a whole section and compares its CRC-32C, unless the plan keeps none for it (weight files).
StatusOr<std::string> readSection(const std::string& folder, const plan::Section& section);

// Protobuf's text format.
StatusOr<plan::Plan> parsePlanText(std::string_view text);
std::string printPlan(const plan::Plan& plan);

}  // namespace shardwright
