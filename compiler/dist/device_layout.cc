#include "compiler/dist/device_layout.h"

#include <algorithm>

namespace shardwright {
namespace {

int64_t digitOf(const Mesh& mesh, const SubAxis& sub, const std::vector<int64_t>& coordinates) {
  int64_t size = mesh.axes()[static_cast<size_t>(sub.axis)].size;
  return coordinates[static_cast<size_t>(sub.axis)] / (size / (sub.pre * sub.size)) % sub.size;
}

int64_t positionOf(const Mesh& mesh, llvm::ArrayRef<SubAxis> list, const std::vector<int64_t>& coordinates) {
  int64_t position = 0;
  for (const SubAxis& sub : list) position = position * sub.size + digitOf(mesh, sub, coordinates);
  return position;
}

std::vector<int64_t> primesOf(int64_t n) {
  std::vector<int64_t> primes;
  for (int64_t p = 2; p * p <= n; ++p)
    for (; n % p == 0; n /= p) primes.push_back(p);
  if (n > 1) primes.push_back(n);
  return primes;
}

// The list of digits by which a factor's position among its shards is a rank's; nothing if there is none.
//   mesh dp=2,tp=4, digits dp, tp:(1)2, tp:(2)2, positions 0 0 1 1 2 2 3 3: {dp, tp:(1)2}
class FactorAxes {
 public:
  FactorAxes(const Mesh& mesh, llvm::ArrayRef<SubAxis> digits) : mesh_(mesh), digits_(digits) {}

  bool find(const std::vector<int64_t>& positions, int64_t count, AxisList& found) const {
    struct Stride {
      int64_t stride;
      SubAxis digit;
    };
    std::vector<Stride> strides;
    for (const SubAxis& digit : digits_) {
      std::vector<int64_t> one(mesh_.axes().size());
      int64_t size = mesh_.axes()[static_cast<size_t>(digit.axis)].size;
      one[static_cast<size_t>(digit.axis)] = size / (digit.pre * digit.size);
      int64_t stride = positions[rankAt(one)] - positions[0];
      if (stride < 0) return false;
      if (stride > 0) strides.push_back({stride, digit});
    }
    std::sort(strides.begin(), strides.end(), [](const Stride& a, const Stride& b) { return a.stride > b.stride; });
    int64_t least = 1;
    for (auto it = strides.rbegin(); it != strides.rend(); least *= it->digit.size, ++it)
      if (it->stride != least) return false;
    if (least != count) return false;
    found.clear();
    for (const Stride& s : strides) found.push_back(s.digit);
    for (size_t rank = 0; rank < positions.size(); ++rank)
      if (positionOf(mesh_, found, mesh_.coordinatesOf(static_cast<int64_t>(rank))) != positions[rank]) return false;
    found = canonical(found);
    return true;
  }

 private:
  size_t rankAt(const std::vector<int64_t>& coordinates) const {
    int64_t rank = 0;
    for (size_t i = 0; i < coordinates.size(); ++i) rank = rank * mesh_.axes()[i].size + coordinates[i];
    return static_cast<size_t>(rank);
  }

  const Mesh& mesh_;
  llvm::ArrayRef<SubAxis> digits_;
};

// Calls visit(digits) with the mesh's axes cut into digits of prime size, in every order of an axis's primes, until it returns true.
template <typename Visit>
bool anyCut(const Mesh& mesh, size_t axis, std::vector<SubAxis>& digits, Visit visit) {
  if (axis == mesh.axes().size()) return visit(digits);
  std::vector<int64_t> primes = primesOf(mesh.axes()[axis].size);
  do {
    size_t before = digits.size();
    int64_t pre = 1;
    for (int64_t prime : primes) {
      digits.push_back({static_cast<int>(axis), pre, prime});
      pre *= prime;
    }
    if (anyCut(mesh, axis + 1, digits, visit)) return true;
    digits.resize(before);
  } while (std::next_permutation(primes.begin(), primes.end()));
  return false;
}

}  // namespace

std::vector<std::vector<int64_t>> ranksOfShards(const Mesh& mesh, llvm::ArrayRef<AxisList> factors) {
  int64_t shards = 1;
  for (const AxisList& axes : factors) shards *= sizeOf(axes);
  std::vector<std::vector<int64_t>> ranks(static_cast<size_t>(shards));
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    int64_t shard = 0;
    for (const AxisList& axes : factors)
      shard = shard * sizeOf(axes) + positionOf(mesh, axes, mesh.coordinatesOf(rank));
    ranks[static_cast<size_t>(shard)].push_back(rank);
  }
  return ranks;
}

StatusOr<std::vector<AxisList>> axesOfShards(const Mesh& mesh, llvm::ArrayRef<int64_t> counts,
                                             const std::vector<std::vector<int64_t>>& ranksOfShards) {
  std::vector<int64_t> shardOf(static_cast<size_t>(mesh.numRanks()), -1);
  for (size_t shard = 0; shard < ranksOfShards.size(); ++shard)
    for (int64_t rank : ranksOfShards[shard]) {
      int64_t& held = shardOf[static_cast<size_t>(rank)];
      if (held >= 0 && held != static_cast<int64_t>(shard)) return userError("a device holds two shards");
      held = static_cast<int64_t>(shard);
    }
  if (std::count(shardOf.begin(), shardOf.end(), -1) > 0) return userError("a device holds no shard");
  std::vector<std::vector<int64_t>> positions(counts.size(), shardOf);
  int64_t inner = 1;
  for (size_t i = counts.size(); i-- > 0; inner *= counts[i])
    for (int64_t& position : positions[i]) position = position / inner % counts[i];
  std::vector<AxisList> found(counts.size());
  std::vector<SubAxis> digits;
  bool isAlongAxes = anyCut(mesh, 0, digits, [&](llvm::ArrayRef<SubAxis> cut) {
    FactorAxes axes(mesh, cut);
    for (size_t i = 0; i < counts.size(); ++i)
      if (!axes.find(positions[i], counts[i], found[i])) return false;
    return true;
  });
  if (!isAlongAxes)
    return userError("the devices of its shards are no arrangement along axes of the mesh " + mesh.str());
  return found;
}

}  // namespace shardwright
