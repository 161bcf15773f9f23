#!/usr/bin/env python3
"""Prints the coefficients in compiler/codegen/polynomials.h, lowest degree first, each with its largest error.

    pip install mpmath; fit_polynomials.py

Each polynomial interpolates its function at Chebyshev nodes in 60 digits, which is within a small factor of the best
approximation. The error shown is that of the whole reconstruction given beside it, relative unless said otherwise, with
the coefficients rounded to the type they are used in.
"""

import mpmath as mp

mp.mp.dps = 60


def chebyshevFit(function, low, high, degree):
    """Monomial coefficients of the interpolant of that degree."""
    n = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    matrix = mp.matrix(n, n)
    values = mp.matrix(n, 1)
    for row, x in enumerate(nodes):
        for column in range(n):
            matrix[row, column] = x**column
        values[row] = function(x)
    return [c for c in mp.lu_solve(matrix, values)]


def rounded(coefficient, bits):
    mantissa, exponent = mp.frexp(coefficient)
    return mp.ldexp(mp.nint(mp.ldexp(mantissa, bits)), int(exponent) - bits)


def series(coefficients, x):
    total = mp.mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def fit(name, function, low, high, degree, bits, whole, exact, points=2000):
    """whole(x, p) is the value reconstructed at x with p(x) in hand; exact(x) what it should be."""
    low, high = mp.mpf(low), mp.mpf(high)
    coefficients = [rounded(c, bits) for c in chebyshevFit(function, low, high, degree)]
    worst = mp.mpf(0)
    for k in range(points + 1):
        x = low + (high - low) * k / points
        truth = exact(x)
        if truth != 0:
            worst = max(worst, abs(whole(x, series(coefficients, x)) / truth - 1))
    print(f"// {name}: relative error {mp.nstr(worst, 3)} = 2^{mp.nstr(mp.log(worst, 2), 4)}")
    print(f"constexpr double {name}[] = {{")
    for c in coefficients:
        print(f"    {float(c).hex()},")
    print("};\n")


def smooth(function, atZero):
    """function with its limit where its formula divides by zero."""
    return lambda x: atZero if abs(x) < mp.mpf(10) ** -25 else function(x)


def squareRooted(function, atZero):
    return smooth(lambda z: function(mp.sqrt(z)), atZero)


def main():
    halfLog = mp.log(2) / 2 * mp.mpf("1.0001")
    expTail = smooth(lambda r: (mp.expm1(r) - r) / r**2, mp.mpf(1) / 2)
    quarter = (mp.pi / 4 * mp.mpf("1.0001")) ** 2
    sinTail = squareRooted(lambda x: (mp.sin(x) - x) / x**3, -mp.mpf(1) / 6)
    cosTail = squareRooted(lambda x: (mp.cos(x) - 1 + x**2 / 2) / x**4, mp.mpf(1) / 24)
    erfTail = squareRooted(lambda x: mp.erf(x) / x - 1, 2 / mp.sqrt(mp.pi) - 1)
    root = mp.sqrt(2)
    for suffix, bits, degrees in (("32", 24, (4, 2, 2)), ("64", 53, (10, 6, 6))):
        fit("kExpTail" + suffix, expTail, -halfLog, halfLog, degrees[0], bits,
            lambda r, p: 1 + (r + r * r * p), lambda r: mp.exp(r))
        fit("kSinTail" + suffix, sinTail, 0, quarter, degrees[1], bits,
            lambda z, p: mp.sqrt(z) * (1 + z * p), lambda z: mp.sin(mp.sqrt(z)))
        fit("kCosTail" + suffix, cosTail, 0, quarter, degrees[2], bits,
            lambda z, p: 1 - z / 2 + z * z * p, lambda z: mp.cos(mp.sqrt(z)))
    fit("kLogTail32", smooth(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, mp.mpf(1) / 3), 1 / root - 1, root - 1, 8, 24,
        lambda f, p: f - f * f / 2 + f**3 * p, lambda f: mp.log1p(f))
    fit("kAtanhTail64", squareRooted(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3, mp.mpf(2) / 3), 0, ((root - 1) / (root + 1)) ** 2,
        7, 53, lambda z, p: 2 * mp.sqrt(z) + mp.sqrt(z) ** 3 * p, lambda z: 2 * mp.atanh(mp.sqrt(z)))
    fit("kErfTail32", erfTail, 0, mp.mpf("0.93") ** 2, 5, 24, lambda z, p: mp.sqrt(z) * (1 + p), lambda z: mp.erf(mp.sqrt(z)))
    fit("kErfTail64", erfTail, 0, 1, 12, 53, lambda z, p: mp.sqrt(z) * (1 + p), lambda z: mp.erf(mp.sqrt(z)))
    fit("kLogErfc32", lambda a: mp.log(mp.erfc(a)), mp.mpf("0.92"), mp.mpf("4.0"), 8, 24,
        lambda a, p: 1 - mp.exp(p), mp.erf)
    # erfc(a) = exp(-a²) g(t), t = (a - 2.5) / (a + 2.5), a in [1, 6.1]: t in [-0.4286, 0.4186]
    argument = lambda t: mp.mpf("2.5") * (1 + t) / (1 - t)
    fit("kErfcScaled64", lambda t: mp.exp(argument(t) ** 2) * mp.erfc(argument(t)), mp.mpf("-0.4287"), mp.mpf("0.4187"), 15, 53,
        lambda t, p: 1 - mp.exp(-argument(t) ** 2) * p, lambda t: mp.erf(argument(t)))
    eighth = mp.tan(mp.pi / 8) * mp.mpf("1.0001")
    fit("kAtanTail64", squareRooted(lambda x: (mp.atan(x) - x) / x**3, -mp.mpf(1) / 3), 0, eighth**2, 11, 53,
        lambda z, p: mp.sqrt(z) * (1 + z * p), lambda z: mp.atan(mp.sqrt(z)))
    fit("kAsinTail64", squareRooted(lambda x: (mp.asin(x) - x) / x**3, mp.mpf(1) / 6), 0, mp.mpf("0.2501"), 13, 53,
        lambda z, p: mp.sqrt(z) * (1 + z * p), lambda z: mp.asin(mp.sqrt(z)))


if __name__ == "__main__":
    main()
