// Owns the list of passes. What a pass does is said at its class; the order of the line is pipeline.cc.
#pragma once

#include <memory>
#include <string>

#include "mlir/Pass/Pass.h"

namespace shardwright {

// import
std::unique_ptr<mlir::Pass> createInferShapesPass();
std::unique_ptr<mlir::Pass> createExpandOnImportPass();
std::unique_ptr<mlir::Pass> createApplyPatternsPass();

// annotate
std::unique_ptr<mlir::Pass> createAnnotatePass();
std::unique_ptr<mlir::Pass> createAnnotatePass(const std::string& mesh, const std::string& specPath);
std::unique_ptr<mlir::Pass> createFollowAnnotationsPass();

// stage
std::unique_ptr<mlir::Pass> createAssignStagesPass();
std::unique_ptr<mlir::Pass> createAssignStagesPass(int64_t microbatches, const std::string& schedule,
                                                   int64_t memoryLimit);
std::unique_ptr<mlir::Pass> createSplitStagesPass();

// propagate
std::unique_ptr<mlir::Pass> createChooseStrategiesPass();
std::unique_ptr<mlir::Pass> createExpandDecomposedPass();
std::unique_ptr<mlir::Pass> createInsertReshardsPass();
std::unique_ptr<mlir::Pass> createWriteAnnotationsPass();
std::unique_ptr<mlir::Pass> createWriteAnnotationsPass(const std::string& model, const std::string& output);
std::unique_ptr<mlir::Pass> createExplainPass();
std::unique_ptr<mlir::Pass> createExplainPass(const std::string& tensor);

// verify
std::unique_ptr<mlir::Pass> createVerifyPropagatedPass();

// partition
std::unique_ptr<mlir::Pass> createPartitionPass();

// lower
std::unique_ptr<mlir::Pass> createExpandOpsPass();
std::unique_ptr<mlir::Pass> createFuseLoopsPass();
std::unique_ptr<mlir::Pass> createSelectStepsPass();
std::unique_ptr<mlir::Pass> createFuseEpiloguesPass();

// optimize; `machine` as compiler/target knows it, `growth`: how much more than before may live at a time, 1: nothing
std::unique_ptr<mlir::Pass> createMergeCollectivesPass(const std::string& machine = "cpu");
std::unique_ptr<mlir::Pass> createScheduleStepsPass(const std::string& machine = "cpu", double growth = 1.25);

// All of them, for shard-opt.
void registerPasses();

}  // namespace shardwright
