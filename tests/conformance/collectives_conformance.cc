#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "tests/conformance/communicator_conformance.h"
#include "tests/conformance/strided_tensor.h"

namespace shardwright {
namespace {

using Dims = std::vector<int64_t>;

constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64,
                            DType::kInt64,   DType::kInt32,   DType::kInt8,     DType::kBool};
constexpr Layout kLayouts[] = {Layout::kContiguous, Layout::kPaddedRows, Layout::kTransposed};

// Asymmetric, never zero, small enough that every type holds the sums of four ranks exactly.
double valueOf(DType type, int rank, int64_t i) {
  if (type == DType::kBool) return (i * 7 + rank * 3) % 5 < 2 ? 1 : 0;
  return static_cast<double>((i * 5 + rank * 11 + i / 7) % 13 + 1 + rank) * (i % 3 == 0 ? -1 : 1);
}

double combined(Combiner combiner, DType type, double a, double b) {
  bool truth = type == DType::kBool;
  switch (combiner) {
    case Combiner::kSum:
      return truth ? std::max(a, b) : a + b;
    case Combiner::kMax:
      return std::max(a, b);
    case Combiner::kMin:
      return std::min(a, b);
    case Combiner::kProd:
      break;
  }
  return a * b;
}

StridedTensor filled(DType type, const Dims& dims, Layout layout, int rank, int64_t shift = 0) {
  StridedTensor tensor(type, dims, layout);
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, valueOf(type, rank, i + shift));
  return tensor;
}

std::vector<int> allRanks(int n) {
  std::vector<int> ranks(static_cast<size_t>(n));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

std::unique_ptr<Communicator> groupOf(World& world, const std::vector<int>& ranks, const std::string& name = "g") {
  auto group = world.group(ranks, name);
  EXPECT_TRUE(group.ok()) << group.status().message();
  return std::move(group).value();
}

void runOk(Communicator& group, const Collective& op) {
  Status prepared = group.prepare(op);
  ASSERT_TRUE(prepared.ok()) << prepared.message();
  Status done = group.runNow(op);
  ASSERT_TRUE(done.ok()) << done.message();
}

// A ragged split: member m of any number has 3, 0, 5, 2 rows.
int64_t rowsOf(int member) { return Dims{3, 0, 5, 2}[static_cast<size_t>(member)]; }

TEST_P(CommunicatorConformance, all_reduce_of_every_type_layout_and_size) {
  for (int n = 1; n <= 4; ++n) {
    GetParam().run(n, [&](World& world) {
      auto group = groupOf(world, allRanks(n));
      for (DType type : kTypes) {
        for (Layout layout : kLayouts) {
          for (const Dims& dims : {Dims{}, Dims{0, 4}, Dims{7}, Dims{3, 5}, Dims{41, 3, 211}}) {
            for (bool inPlace : {false, true}) {
              StridedTensor mine = filled(type, dims, layout, world.rank());
              StridedTensor result(type, dims, Layout::kContiguous);
              StridedTensor& target = inPlace ? mine : result;
              Collective op{CollectiveKind::kAllReduce, Combiner::kSum, type, 0, {mine.block()}, {target.block()}, "t"};
              runOk(*group, op);
              for (int64_t i = 0; i < target.count(); ++i) {
                double expected = valueOf(type, 0, i);
                for (int r = 1; r < n; ++r) expected = combined(Combiner::kSum, type, expected, valueOf(type, r, i));
                ASSERT_EQ(target.get(i), expected) << dtypeName(type) << " element " << i << " of " << target.count();
              }
            }
          }
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, all_reduce_of_every_combiner) {
  GetParam().run(3, [&](World& world) {
    auto group = groupOf(world, allRanks(3));
    for (Combiner combiner : {Combiner::kSum, Combiner::kMax, Combiner::kMin, Combiner::kProd}) {
      for (DType type : {DType::kFloat32, DType::kFloat64, DType::kInt64, DType::kBool}) {
        for (int64_t count : {int64_t{37}, int64_t{20001}}) {
          StridedTensor mine = filled(type, {count}, Layout::kContiguous, world.rank());
          Collective op{CollectiveKind::kAllReduce, combiner, type, 0, {mine.block()}, {mine.block()}, "t"};
          runOk(*group, op);
          for (int64_t i = 0; i < count; ++i) {
            double expected = combined(combiner, type, valueOf(type, 0, i), valueOf(type, 1, i));
            ASSERT_EQ(mine.get(i), combined(combiner, type, expected, valueOf(type, 2, i)));
          }
        }
      }
    }
  });
}

TEST_P(CommunicatorConformance, nan_wins_max_and_min) {
  GetParam().run(2, [&](World& world) {
    auto group = groupOf(world, allRanks(2));
    for (Combiner combiner : {Combiner::kMax, Combiner::kMin}) {
      StridedTensor mine = filled(DType::kFloat32, {9}, Layout::kContiguous, world.rank());
      mine.set(world.rank() * 4 + 1, std::nan(""));
      Collective op{CollectiveKind::kAllReduce, combiner, DType::kFloat32, 0, {mine.block()}, {mine.block()}, "t"};
      runOk(*group, op);
      for (int64_t i = 0; i < 9; ++i) ASSERT_EQ(std::isnan(mine.get(i)), i == 1 || i == 5) << i;
    }
  });
}

// Sums that round differently in other orders; 16-bit types are rounded once, from float32.
TEST_P(CommunicatorConformance, reductions_are_bit_identical_on_all_ranks_and_runs) {
  constexpr int kRanks = 4;
  auto inexact = [](int rank, int64_t i) { return std::sin(static_cast<double>(i * 4 + rank)) * std::pow(10, rank); };
  for (DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    for (int64_t count : {int64_t{101}, int64_t{30011}}) {
      for (int run = 0; run < 2; ++run) {
        GetParam().run(kRanks, [&](World& world) {
          auto group = groupOf(world, allRanks(kRanks));
          std::vector<StridedTensor> all;
          for (int r = 0; r < kRanks; ++r) {
            all.emplace_back(type, Dims{count});
            for (int64_t i = 0; i < count; ++i) all.back().set(i, inexact(r, i));
          }
          StridedTensor expected(type, {count});
          for (int64_t i = 0; i < count; ++i) {
            float sum = static_cast<float>(all[0].get(i));
            for (int r = 1; r < kRanks; ++r) sum += static_cast<float>(all[static_cast<size_t>(r)].get(i));
            expected.set(i, sum);
          }
          StridedTensor mine = all[static_cast<size_t>(world.rank())];
          Collective op{CollectiveKind::kAllReduce, Combiner::kSum, type, 0, {mine.block()}, {mine.block()}, "t"};
          runOk(*group, op);
          ASSERT_EQ(mine.bytes(), expected.bytes()) << dtypeName(type) << " " << count;
        });
      }
    }
  }
}

TEST_P(CommunicatorConformance, all_gather_of_ragged_and_empty_parts) {
  for (int n = 1; n <= 4; ++n) {
    GetParam().run(n, [&](World& world) {
      auto group = groupOf(world, allRanks(n));
      for (DType type : {DType::kFloat32, DType::kInt64, DType::kBool}) {
        for (int64_t columns : {int64_t{4}, int64_t{1777}}) {
          StridedTensor mine = filled(type, {rowsOf(world.rank()), columns}, Layout::kTransposed, world.rank());
          std::vector<StridedTensor> parts;
          Collective op{CollectiveKind::kAllGather, Combiner::kSum, type, 0, {mine.block()}, {}, "t"};
          for (int m = 0; m < n; ++m) parts.emplace_back(type, Dims{rowsOf(m), columns}, Layout::kPaddedRows);
          for (StridedTensor& part : parts) op.recvs.push_back(part.block());
          runOk(*group, op);
          for (int m = 0; m < n; ++m) {
            const StridedTensor& part = parts[static_cast<size_t>(m)];
            for (int64_t i = 0; i < part.count(); ++i) ASSERT_EQ(part.get(i), valueOf(type, m, i)) << m << " " << i;
          }
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, all_gather_in_place_into_columns_of_one_buffer) {
  constexpr int kRanks = 3;
  for (int64_t rows : {int64_t{5}, int64_t{1201}}) {
    GetParam().run(kRanks, [&](World& world) {
      auto group = groupOf(world, allRanks(kRanks));
      Dims widths = {3, 4, 2};
      int64_t total = 9;
      std::vector<float> whole(static_cast<size_t>(rows * total), 0.5f);
      Collective op{CollectiveKind::kAllGather, Combiner::kSum, DType::kFloat32, 0, {}, {}, "t"};
      int64_t column = 0, mine = 0;
      for (int m = 0; m < kRanks; ++m) {
        StridedBlock block;
        block.data = whole.data() + column;
        block.rank = 2;
        block.dims[0] = rows, block.dims[1] = widths[static_cast<size_t>(m)];
        block.strides[0] = total, block.strides[1] = 1;
        op.recvs.push_back(block);
        if (m == world.rank()) mine = column;
        column += widths[static_cast<size_t>(m)];
      }
      op.sends = {op.recvs[static_cast<size_t>(world.rank())]};
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < widths[static_cast<size_t>(world.rank())]; ++c) {
          whole[static_cast<size_t>(r * total + mine + c)] = static_cast<float>(r * 10 + mine + c);
        }
      }
      runOk(*group, op);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < total; ++c) {
          ASSERT_EQ(whole[static_cast<size_t>(r * total + c)], static_cast<float>(r * 10 + c)) << r << "," << c;
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, reduce_scatter_of_ragged_and_empty_parts) {
  for (int n = 1; n <= 4; ++n) {
    GetParam().run(n, [&](World& world) {
      auto group = groupOf(world, allRanks(n));
      for (DType type : {DType::kFloat32, DType::kBFloat16, DType::kInt32}) {
        for (int64_t columns : {int64_t{4}, int64_t{1777}}) {
          std::vector<StridedTensor> contributions;
          Collective op{CollectiveKind::kReduceScatter, Combiner::kSum, type, 0, {}, {}, "t"};
          for (int m = 0; m < n; ++m) {
            contributions.push_back(filled(type, {rowsOf(m), columns}, Layout::kPaddedRows, world.rank(), m * 100));
          }
          for (StridedTensor& part : contributions) op.sends.push_back(part.block());
          StridedTensor mine(type, {rowsOf(world.rank()), columns}, Layout::kTransposed);
          op.recvs = {mine.block()};
          runOk(*group, op);
          for (int64_t i = 0; i < mine.count(); ++i) {
            double expected = 0;
            for (int r = 0; r < n; ++r) expected += valueOf(type, r, i + world.rank() * 100);
            ASSERT_EQ(mine.get(i), expected) << i;
          }
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, all_to_all_of_ragged_parts) {
  for (int n = 1; n <= 4; ++n) {
    GetParam().run(n, [&](World& world) {
      auto group = groupOf(world, allRanks(n));
      for (int64_t unit : {int64_t{3}, int64_t{2503}}) {
        auto rows = [](int from, int to) { return (from * 2 + to) % 4; };  // 0 for some pairs
        std::vector<StridedTensor> out, in;
        Collective op{CollectiveKind::kAllToAll, Combiner::kSum, DType::kInt64, 0, {}, {}, "t"};
        for (int m = 0; m < n; ++m) {
          out.push_back(filled(DType::kInt64, {rows(world.rank(), m), unit}, Layout::kPaddedRows, world.rank(), m * 7));
          in.emplace_back(DType::kInt64, Dims{rows(m, world.rank()), unit});
        }
        for (int m = 0; m < n; ++m) {
          op.sends.push_back(out[static_cast<size_t>(m)].block());
          op.recvs.push_back(in[static_cast<size_t>(m)].block());
        }
        runOk(*group, op);
        for (int m = 0; m < n; ++m) {
          const StridedTensor& part = in[static_cast<size_t>(m)];
          for (int64_t i = 0; i < part.count(); ++i) {
            ASSERT_EQ(part.get(i), valueOf(DType::kInt64, m, i + world.rank() * 7));
          }
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, broadcast_from_member_0_of_a_permuted_group) {
  GetParam().run(3, [&](World& world) {
    auto group = groupOf(world, {2, 0, 1});
    for (int64_t count : {int64_t{1}, int64_t{60}, int64_t{9001}}) {
      for (bool inPlace : {false, true}) {
        StridedTensor mine = filled(DType::kFloat32, {count}, Layout::kContiguous, world.rank());
        StridedTensor result(DType::kFloat32, {count});
        StridedTensor& target = inPlace ? mine : result;
        Collective op{
            CollectiveKind::kBroadcast, Combiner::kSum, DType::kFloat32, 0, {mine.block()}, {target.block()}, "t"};
        runOk(*group, op);
        for (int64_t i = 0; i < count; ++i) ASSERT_EQ(target.get(i), valueOf(DType::kFloat32, 2, i));
      }
    }
  });
}

TEST_P(CommunicatorConformance, permute_takes_the_block_of_the_peer) {
  for (int n = 1; n <= 4; ++n) {
    GetParam().run(n, [&](World& world) {
      auto group = groupOf(world, allRanks(n));
      for (int64_t count : {int64_t{0}, int64_t{13}, int64_t{9001}}) {
        for (int shift = 0; shift < n; ++shift) {
          int peer = (world.rank() + shift) % n;
          StridedTensor mine = filled(DType::kInt8, {count}, Layout::kContiguous, world.rank());
          StridedTensor result(DType::kInt8, {count});
          Collective op{CollectiveKind::kPermute, Combiner::kSum,   DType::kInt8, peer,
                        {mine.block()},           {result.block()}, "t"};
          runOk(*group, op);
          for (int64_t i = 0; i < count; ++i) ASSERT_EQ(result.get(i), valueOf(DType::kInt8, peer, i));
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, groups_of_a_2_by_2_mesh_work_side_by_side) {
  GetParam().run(4, [&](World& world) {
    int row = world.rank() / 2, column = world.rank() % 2;
    auto inRow = groupOf(world, {row * 2, row * 2 + 1}, "tp");
    auto inColumn = groupOf(world, {column, column + 2}, "dp");
    auto whole = groupOf(world, allRanks(4), "all");
    for (int round = 0; round < 20; ++round) {
      for (int64_t count : {int64_t{11}, int64_t{8003}}) {
        StridedTensor value(DType::kFloat32, {count});
        for (int64_t i = 0; i < count; ++i) value.set(i, world.rank() + 1 + static_cast<double>(i % 5));
        Collective op{
            CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {value.block()}, {value.block()}, "t"};
        runOk(*inRow, op);
        runOk(*inColumn, op);
        op.combiner = Combiner::kMax;
        runOk(*whole, op);
        for (int64_t i = 0; i < count; ++i) ASSERT_EQ(value.get(i), 10 + 4 * static_cast<double>(i % 5));
      }
    }
  });
}

TEST_P(CommunicatorConformance, operations_started_together_complete_in_order) {
  constexpr int kRanks = 3;
  GetParam().run(kRanks, [&](World& world) {
    auto group = groupOf(world, allRanks(kRanks));
    auto other = groupOf(world, allRanks(kRanks), "other");
    for (int round = 0; round < 5; ++round) {
      std::vector<StridedTensor> values;
      std::vector<Collective> ops;
      for (int k = 0; k < Communicator::kMaxPending; ++k) {
        int64_t count = k % 2 ? 10007 : 19;
        values.push_back(filled(DType::kFloat32, {count}, Layout::kContiguous, world.rank(), k));
      }
      for (StridedTensor& value : values) {
        ops.push_back(
            {CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {value.block()}, {value.block()}, "t"});
      }
      for (const Collective& op : ops) ASSERT_TRUE(group->start(op).ok());
      StridedTensor between = filled(DType::kInt32, {5}, Layout::kContiguous, world.rank());
      runOk(*other, {CollectiveKind::kAllReduce,
                     Combiner::kMax,
                     DType::kInt32,
                     0,
                     {between.block()},
                     {between.block()},
                     "between"});
      for (size_t k = 0; k < ops.size(); ++k) {
        ASSERT_TRUE(group->wait().ok());
        for (int64_t i = 0; i < values[k].count(); ++i) {
          double expected = 0;
          for (int r = 0; r < kRanks; ++r) expected += valueOf(DType::kFloat32, r, i + static_cast<int64_t>(k));
          ASSERT_EQ(values[k].get(i), expected);
        }
      }
    }
  });
}

// One rank dawdles between start and wait; the others must neither see half a result nor free what it still reads.
TEST_P(CommunicatorConformance, after_wait_results_are_whole_and_memory_is_free) {
  constexpr int kRanks = 3;
  for (int slow = 0; slow < kRanks; ++slow) {
    GetParam().run(kRanks, [&](World& world) {
      auto group = groupOf(world, allRanks(kRanks));
      auto finish = [&](const Collective& op) {
        ASSERT_TRUE(group->start(op).ok());
        if (world.rank() == slow) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ASSERT_TRUE(group->wait().ok());
      };
      StridedTensor sum = filled(DType::kFloat32, {30011}, Layout::kContiguous, world.rank());
      finish({CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {sum.block()}, {sum.block()}, "t"});
      for (int64_t i = 0; i < sum.count(); ++i) {
        double expected = 0;
        for (int r = 0; r < kRanks; ++r) expected += valueOf(DType::kFloat32, r, i);
        ASSERT_EQ(sum.get(i), expected) << i;
      }
      for (int64_t count : {int64_t{11}, int64_t{8009}}) {
        StridedTensor part = filled(DType::kFloat32, {count}, Layout::kContiguous, world.rank());
        std::vector<StridedTensor> parts(kRanks, StridedTensor(DType::kFloat32, {count}));
        Collective op{CollectiveKind::kAllGather, Combiner::kSum, DType::kFloat32, 0, {part.block()}, {}, "t"};
        for (StridedTensor& p : parts) op.recvs.push_back(p.block());
        finish(op);
        for (int64_t i = 0; i < count; ++i) part.set(i, -99);
        for (int r = 0; r < kRanks; ++r) {
          const StridedTensor& p = parts[static_cast<size_t>(r)];
          for (int64_t i = 0; i < count; ++i) ASSERT_EQ(p.get(i), valueOf(DType::kFloat32, r, i)) << i;
        }
      }
    });
  }
}

TEST_P(CommunicatorConformance, a_broadcasting_rank_may_run_ahead) {
  GetParam().run(2, [&](World& world) {
    auto group = groupOf(world, allRanks(2));
    for (int round = 0; round < 200; ++round) {
      int64_t value = world.rank() == 0 ? round * 3 + 1 : -1;
      StridedBlock block;
      block.data = &value;
      runOk(*group, {CollectiveKind::kBroadcast, Combiner::kSum, DType::kInt64, 0, {block}, {block}, "t"});
      ASSERT_EQ(value, round * 3 + 1);
    }
  });
}

}  // namespace
}  // namespace shardwright
