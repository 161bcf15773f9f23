// Owns the kinds of nodes that random graphs are made of, one function each. It does not own how often they are taken.
#pragma once

#include "tests/random/graph_builder.h"

namespace shardwright {

// Adds one kind of node, or a few that belong together, on values of the graph; does nothing where none fits.
using NodeMaker = void (*)(GraphBuilder& graph);

std::vector<NodeMaker> elementwiseMakers();
std::vector<NodeMaker> shapeMakers();  // elements move, none is computed
std::vector<NodeMaker> indexMakers();  // elements are chosen by indices
std::vector<NodeMaker> contractionMakers();
std::vector<NodeMaker> reductionMakers();  // and normalisations
std::vector<NodeMaker> windowMakers();     // convolutions and pools
std::vector<NodeMaker> blockMakers();      // what models are made of: attention, experts, …

}  // namespace shardwright
