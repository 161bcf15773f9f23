#include "runtime/base/expr.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>

#include "runtime/base/facts.h"

namespace shardwright {
namespace {

Expr parsed(const std::string& text) {
  StatusOr<Expr> e = Expr::parse(text);
  EXPECT_TRUE(e.ok()) << text << ": " << e.status().message();
  return e.ok() ? *e : Expr();
}

struct Equality {
  const char* left;
  const char* right;
};

class CanonicalEquality : public testing::TestWithParam<Equality> {};

TEST_P(CanonicalEquality, holds) {
  EXPECT_EQ(parsed(GetParam().left).str(), parsed(GetParam().right).str());
  EXPECT_EQ(parsed(GetParam().left), parsed(GetParam().right));
}

INSTANTIATE_TEST_SUITE_P(
    expr, CanonicalEquality,
    testing::Values(Equality{"floordiv(B*S, B)", "S"}, Equality{"floordiv(6*n + 3, 2)", "3*n + 1"},
                    Equality{"floordiv(floordiv(a, b), c)", "floordiv(a, b*c)"}, Equality{"max(3, 5)", "5"},
                    Equality{"floordiv(floordiv(n, 2), 3)", "floordiv(n, 6)"}, Equality{"mod(6*n + 5, 3)", "2"},
                    Equality{"ceildiv(ceildiv(n, 4), 3)", "ceildiv(n, 12)"},
                    Equality{"floordiv(B*S, B*T)", "floordiv(S, T)"},
                    Equality{"floordiv(5*n + 3, 2)", "2*n + 1 + floordiv(n + 1, 2)"},
                    Equality{"floordiv(4*n + 2*m + 1, 4)", "n + floordiv(m, 2)"},
                    Equality{"floordiv((B + 1)*S*T + B + 3, B + 1)", "S*T + 1 + floordiv(2, B + 1)"},
                    Equality{"mod(mod(n, 4), 2)", "mod(n, 2)"}, Equality{"mod(mod(n, 4), 4)", "mod(n, 4)"},
                    Equality{"floordiv(mod(n, 4), 4)", "0"}, Equality{"mod(n, 1)", "0"},
                    Equality{"n - 2*floordiv(n, 2)", "mod(n, 2)"},
                    Equality{"min(2*n + 6, 4*m + 2)", "2 + 2*min(n + 2, 2*m)"},
                    Equality{"min(n, min(m, k))", "min(min(k, n), m)"}, Equality{"min(n, n + 1)", "n"},
                    Equality{"max(n, n + 1, m)", "max(m, n + 1)"}, Equality{"max(n - m, 0) + m", "max(n, m)"},
                    Equality{"min(n - 1, m - 1)", "min(m, n) - 1"}, Equality{"floordiv(-n, 4)", "floordiv(3*n, 4) - n"},
                    Equality{"(n + m)*(n - m)", "n*n - m*m"}, Equality{"floordiv(n*n - m*m, n + m)", "n - m"},
                    Equality{"floordiv(7, 2*B)", "floordiv(3, B)"}, Equality{"-(-n)", "n"}, Equality{"2*3 - 10", "-4"},
                    Equality{"floordiv(-7, 2)", "-4"}, Equality{"mod(-7, 3)", "2"}));

TEST(Expr, prints_the_constant_last_and_factors_in_one_order) {
  EXPECT_EQ(parsed("3 + S*2*B - n").str(), "2*B*S - n + 3");
  EXPECT_EQ(parsed("`past len` + @tp*%k").str(), "%k*@tp + `past len`");
  EXPECT_EQ(Expr::symbol("min").str(), "`min`");
  EXPECT_EQ(Expr::symbol("a`b").str(), "`a``b`");
  EXPECT_EQ(Expr().str(), "0");
  EXPECT_EQ(parsed("-n").str(), "-n");
}

TEST(Expr, divides_polynomials_exactly_or_not_at_all) {
  EXPECT_EQ(parsed("2*B*S + 4*B").dividedBy(parsed("2*B")), parsed("S + 2"));
  EXPECT_EQ(parsed("S + 1").dividedBy(Expr(2)), std::nullopt);
  EXPECT_EQ(parsed("(a + 2*b)*(c - a)*3").dividedBy(parsed("a + 2*b")), parsed("3*c - 3*a"));
  EXPECT_EQ(parsed("a*b + 1").dividedBy(parsed("a")), std::nullopt);
  EXPECT_EQ(parsed("a").dividedBy(Expr(0)), std::nullopt);
  EXPECT_EQ(Expr(0).dividedBy(parsed("a")), Expr(0));
}

TEST(Expr, overflow_poisons_and_the_poison_survives_text) {
  Expr huge = Expr(INT64_MAX) * Expr::symbol("n");
  Expr poisoned = huge + huge;
  EXPECT_EQ(poisoned.str(), "floordiv(1, 0)");
  EXPECT_EQ(parsed(poisoned.str()), poisoned);
  EXPECT_EQ(poisoned.evaluate({{"n", 0}}).status().code(), StatusCode::kUserError);
  EXPECT_FALSE((poisoned * Expr(0)).isConstant());
  EXPECT_EQ(Expr(INT64_MIN).str(), "-9223372036854775808");
  for (Expr e : {Expr(INT64_MIN), Expr(INT64_MIN) * Expr::symbol("n") + Expr(1), Expr::symbol("n") + Expr(INT64_MIN)})
    EXPECT_EQ(parsed(e.str()), e) << e.str();
}

TEST(Expr, evaluation_names_what_is_missing_or_impossible) {
  EXPECT_NE(parsed("n + m").evaluate({{"n", 3}}).status().message().find("\"m\""), std::string::npos);
  StatusOr<int64_t> divided = parsed("floordiv(n, m)").evaluate({{"n", 3}, {"m", 0}});
  EXPECT_NE(divided.status().message().find("at least 1"), std::string::npos);
  EXPECT_EQ(parsed("n*n").evaluate({{"n", INT64_MAX}}).status().code(), StatusCode::kUserError);
  EXPECT_EQ(parsed("n*n*n - n*n*m").evaluate({{"n", int64_t{1} << 40}, {"m", (int64_t{1} << 40) - 2}}).status().code(),
            StatusCode::kUserError);
}

TEST(Expr, refuses_malformed_text) {
  for (const char* text : {"", "n +", "(n", "n)", "floordiv(n)", "floordiv(a, b, c)", "mod n", "`n", "3n", "n m", "#",
                           "99999999999999999999", "min(n)", "a**b"})
    EXPECT_EQ(Expr::parse(text).status().code(), StatusCode::kUserError) << text;
  EXPECT_FALSE(Expr::parse(std::string(100000, '(')).ok());
}

TEST(Expr, substitutes_inside_calls_all_at_once) {
  Expr e = parsed("floordiv(n + 3, m) + max(n, k)");
  EXPECT_EQ(e.substitute({{"n", parsed("m")}, {"m", Expr(4)}}), parsed("floordiv(m + 3, 4) + max(m, k)"));
  EXPECT_EQ(e.symbols(), (std::set<std::string>{"k", "m", "n"}));
}

TEST(Expr, threads_intern_the_same_nodes) {
  std::vector<Expr> results(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < results.size(); ++t)
    threads.emplace_back([&results, t] {
      for (int i = 1; i < 300; ++i)
        results[t] += Expr::floorDiv(Expr::symbol("s" + std::to_string(i % 17)) + Expr(i), Expr(i % 5 + 2));
    });
  for (std::thread& thread : threads) thread.join();
  for (Expr e : results) EXPECT_EQ(e, results[0]);
}

// A random expression and, built beside it, a function that computes its value step by step.
struct Sample {
  Expr expr;
  std::function<__int128(const Bindings&)> value;
};

class SampleMaker {
 public:
  explicit SampleMaker(unsigned seed) : random_(seed) {}

  Sample make(int depth) {
    int kind = depth == 0 ? pick(2) : pick(9);
    if (kind == 0) {
      int64_t c = pick(13) - 6;
      return {Expr(c), [c](const Bindings&) { return __int128{c}; }};
    }
    if (kind == 1) return symbol();
    Sample a = make(depth - 1), b = kind >= 5 && kind <= 7 ? divisor(depth - 1) : make(depth - 1);
    auto fa = a.value, fb = b.value;
    auto floored = [](__int128 x, __int128 y) { return x / y - (x % y < 0 ? 1 : 0); };
    switch (kind) {
      case 2:
        return {a.expr + b.expr, [=](const Bindings& v) { return fa(v) + fb(v); }};
      case 3:
        return {a.expr - b.expr, [=](const Bindings& v) { return fa(v) - fb(v); }};
      case 4:
        return {a.expr * b.expr, [=](const Bindings& v) { return fa(v) * fb(v); }};
      case 5:
        return {Expr::floorDiv(a.expr, b.expr), [=](const Bindings& v) { return floored(fa(v), fb(v)); }};
      case 6:
        return {Expr::ceilDiv(a.expr, b.expr), [=](const Bindings& v) { return -floored(-fa(v), fb(v)); }};
      case 7:
        return {Expr::mod(a.expr, b.expr), [=](const Bindings& v) { return fa(v) - fb(v) * floored(fa(v), fb(v)); }};
      default:
        break;
    }
    bool isMin = pick(2) == 0;
    return {isMin ? Expr::min(a.expr, b.expr) : Expr::max(a.expr, b.expr),
            [=](const Bindings& v) { return isMin ? std::min(fa(v), fb(v)) : std::max(fa(v), fb(v)); }};
  }

  Bindings bindings() {
    Bindings values;
    for (const char* name : kNames) values[name] = 1 + pick(9);
    return values;
  }

  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "d"};

  Sample symbol() {
    std::string name = kNames[pick(4)];
    return {Expr::symbol(name), [name](const Bindings& v) { return __int128{v.find(name)->second}; }};
  }

  // Positive whatever the bindings.
  Sample divisor(int depth) {
    int kind = pick(4);
    if (kind == 0) {
      int64_t c = 1 + pick(7);
      return {Expr(c), [c](const Bindings&) { return __int128{c}; }};
    }
    if (kind == 1 || depth == 0) return symbol();
    Sample a = divisor(depth - 1), b = divisor(depth - 1);
    auto fa = a.value, fb = b.value;
    if (kind == 2) return {a.expr * b.expr, [=](const Bindings& v) { return fa(v) * fb(v); }};
    return {a.expr + b.expr, [=](const Bindings& v) { return fa(v) + fb(v); }};
  }

  std::mt19937 random_;
};

unsigned propertySeed() {
  const char* given = std::getenv("SHARDWRIGHT_TEST_SEED");
  return given ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
}

TEST(ExprProperty, canonical_form_keeps_the_value_and_text_round_trips) {
  unsigned seed = propertySeed();
  std::cout << "SHARDWRIGHT_TEST_SEED=" << seed << "\n";
  SampleMaker maker(seed);
  for (int i = 0; i < 20000; ++i) {
    Sample sample = maker.make(1 + maker.pick(4));
    std::string text = sample.expr.str();
    ASSERT_EQ(parsed(text).str(), text) << "seed " << seed << " sample " << i;
    for (int j = 0; j < 4; ++j) {
      Bindings values = maker.bindings();
      StatusOr<int64_t> found = sample.expr.evaluate(values);
      ASSERT_TRUE(found.ok()) << text << ": " << found.status().message();
      ASSERT_EQ(*found, static_cast<int64_t>(sample.value(values))) << text << " seed " << seed << " sample " << i;
    }
  }
}

TEST(ExprProperty, proofs_hold_for_every_value_in_range) {
  unsigned seed = propertySeed();
  std::cout << "SHARDWRIGHT_TEST_SEED=" << seed << "\n";
  SampleMaker maker(seed);
  for (int i = 0; i < 1500; ++i) {
    Sample sample = maker.make(1 + maker.pick(3));
    Facts facts;
    facts.setRange("a", {1, 3, 1});
    facts.setRange("b", {2, 8, 2});
    facts.setRange("c", {3, 6, 3});
    facts.define("d", parsed("a + c"));
    Expr simplified = facts.simplify(sample.expr);
    int64_t lower = facts.lowerBound(sample.expr), upper = facts.upperBound(sample.expr);
    bool divides = facts.provablyDivides(4, sample.expr);
    for (int64_t a = 1; a <= 3; ++a)
      for (int64_t b = 2; b <= 8; b += 2)
        for (int64_t c = 3; c <= 6; c += 3) {
          Bindings values{{"a", a}, {"b", b}, {"c", c}, {"d", a + c}};
          auto value = static_cast<int64_t>(sample.value(values));
          std::string context = sample.expr.str() + " -> " + simplified.str() + " seed " + std::to_string(seed);
          ASSERT_EQ(*simplified.evaluate(values), value) << context;
          ASSERT_LE(lower, value) << context;
          ASSERT_GE(upper, value) << context;
          if (divides) {
            ASSERT_EQ(value % 4, 0) << context;
          }
        }
  }
}

}  // namespace
}  // namespace shardwright
