#include <array>
#include <mutex>
#include <unordered_set>

#include "runtime/base/expr_node.h"

namespace shardwright {
namespace {

size_t mix(size_t seed, size_t value) { return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2)); }

bool sameContent(const Atom& a, const Atom& b) { return a.kind == b.kind && a.name == b.name && a.args == b.args; }
bool sameContent(const Monomial& a, const Monomial& b) {
  if (a.factors.size() != b.factors.size()) return false;
  for (size_t i = 0; i < a.factors.size(); ++i)
    if (a.factors[i].atom != b.factors[i].atom || a.factors[i].power != b.factors[i].power) return false;
  return true;
}
bool sameContent(const Expr::Node& a, const Expr::Node& b) {
  if (a.poisoned != b.poisoned || a.terms.size() != b.terms.size()) return false;
  for (size_t i = 0; i < a.terms.size(); ++i)
    if (a.terms[i].monomial != b.terms[i].monomial || a.terms[i].coefficient != b.terms[i].coefficient) return false;
  return true;
}

// Objects by content, never freed; sharded so that threads rarely meet.
template <typename T>
class InternTable {
 public:
  const T* intern(T&& candidate) {
    Shard& shard = shards_[candidate.hash % kShards];
    std::lock_guard<std::mutex> lock(shard.mutex);
    auto found = shard.set.find(&candidate);
    if (found != shard.set.end()) return *found;
    const T* kept = new T(std::move(candidate));
    shard.set.insert(kept);
    return kept;
  }

 private:
  struct Hash {
    size_t operator()(const T* t) const { return t->hash / kShards; }
  };
  struct Same {
    bool operator()(const T* a, const T* b) const { return a->hash == b->hash && sameContent(*a, *b); }
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_set<const T*, Hash, Same> set;
  };
  static constexpr size_t kShards = 16;
  std::array<Shard, kShards> shards_;
};

// Leaked on purpose: expressions live as long as the process, whatever the order of static destructors.
template <typename T>
InternTable<T>& table() {
  static auto* instance = new InternTable<T>;
  return *instance;
}

Expr internConstant(int64_t value) {
  if (value == 0) return internSum({});
  static const Monomial* one = internMonomial({});
  return internSum({{one, value}});
}

constexpr int64_t kFirstCached = -64, kNumCached = 1089;  // −64 … 1024

}  // namespace

const Atom* internAtom(Atom::Kind kind, std::string name, std::vector<Expr> args) {
  size_t hash = mix(static_cast<size_t>(kind), std::hash<std::string>()(name));
  for (Expr arg : args) hash = mix(hash, arg.node()->hash);
  return table<Atom>().intern({kind, std::move(name), std::move(args), hash});
}

const Monomial* internMonomial(std::vector<AtomPower> factors) {
  size_t hash = 17;
  int degree = 0;
  for (const AtomPower& f : factors) {
    hash = mix(mix(hash, f.atom->hash), static_cast<size_t>(f.power));
    degree += f.power;
  }
  return table<Monomial>().intern({std::move(factors), degree, hash});
}

Expr internSum(std::vector<Term> terms) {
  size_t hash = 31;
  for (const Term& t : terms) hash = mix(mix(hash, t.monomial->hash), static_cast<size_t>(t.coefficient));
  return Expr(table<Expr::Node>().intern({std::move(terms), false, hash}));
}

Expr poisonedExpr() {
  static const Expr poisoned(table<Expr::Node>().intern({{}, true, 47}));
  return poisoned;
}

Expr::Expr(int64_t value) : node_(nullptr) {
  static const std::vector<const Node*>* cached = [] {
    auto* nodes = new std::vector<const Node*>;
    for (int64_t i = 0; i < kNumCached; ++i) nodes->push_back(internConstant(kFirstCached + i).node());
    return nodes;
  }();
  bool isCached = value >= kFirstCached && value < kFirstCached + kNumCached;
  node_ = isCached ? (*cached)[static_cast<size_t>(value - kFirstCached)] : internConstant(value).node();
}

Expr Expr::symbol(std::string_view name) { return exprOfAtom(internAtom(Atom::Kind::kSymbol, std::string(name), {})); }

Expr exprOfAtom(const Atom* atom) { return internSum({{internMonomial({{atom, 1}}), 1}}); }
Expr exprOfTerm(const Term& term) { return internSum({term}); }

int compareAtoms(const Atom* a, const Atom* b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (int order = a->name.compare(b->name)) return order < 0 ? -1 : 1;
  if (a->args.size() != b->args.size()) return a->args.size() < b->args.size() ? -1 : 1;
  for (size_t i = 0; i < a->args.size(); ++i)
    if (int order = Expr::compare(a->args[i], b->args[i])) return order;
  return 0;
}

// Graded lexicographic: of equal degree, the one with more of the first differing atom is greater.
int compareMonomials(const Monomial* a, const Monomial* b) {
  if (a == b) return 0;
  if (a->degree != b->degree) return a->degree < b->degree ? -1 : 1;
  size_t n = std::min(a->factors.size(), b->factors.size());
  for (size_t i = 0; i < n; ++i) {
    const AtomPower &fa = a->factors[i], &fb = b->factors[i];
    if (int order = compareAtoms(fa.atom, fb.atom)) return order < 0 ? 1 : -1;
    if (fa.power != fb.power) return fa.power < fb.power ? -1 : 1;
  }
  return a->factors.size() < b->factors.size() ? -1 : 1;
}

int Expr::compare(Expr a, Expr b) {
  if (a == b) return 0;
  const Node &na = *a.node_, &nb = *b.node_;
  if (na.poisoned != nb.poisoned) return na.poisoned ? 1 : -1;
  size_t n = std::min(na.terms.size(), nb.terms.size());
  for (size_t i = 0; i < n; ++i) {
    if (int order = compareMonomials(na.terms[i].monomial, nb.terms[i].monomial)) return order;
    int64_t ca = na.terms[i].coefficient, cb = nb.terms[i].coefficient;
    if (ca != cb) return ca < cb ? -1 : 1;
  }
  return na.terms.size() < nb.terms.size() ? -1 : 1;
}

}  // namespace shardwright
