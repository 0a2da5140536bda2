"""Makes the tables beside it, against which the statistics of the program are tested.

Made with Python 3.11.7, SciPy 1.17.1, NumPy 2.4.6, statsmodels 0.15.0, mpmath 1.4.1,
jellyfish 1.3.0:

    python3 -m venv /path/to/venv
    /path/to/venv/bin/pip install scipy==1.17.1 numpy==2.4.6 statsmodels==0.15.0 \
        mpmath==1.4.1 jellyfish==1.3.0
    /path/to/venv/bin/python make.py [names of tables]

A row is: function, its arguments, value. Tails are summed with 60 digits (mpmath), because the
tests ask for 1e-12 and SciPy's own error is larger in places; each is compared with SciPy here, and
the script stops where both differ by more than the tolerance below.
"""

import csv
import math
import random
import sys
from pathlib import Path

import jellyfish
import mpmath as mp
import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

mp.mp.dps = 60
HERE = Path(__file__).parent
# SciPy agrees with the summed tails at least so far (relative; below 1e-290 not compared). From
# 10^6 on it is itself off: at a mean of 10^7 its Poisson tail of 3e-7 is 3 per cent too small.
SCIPY = 1e-6
SCIPY_LARGE = 0.1
LARGE = 10**6
# Some of its upper tails (beta-binomial) are 1 less the lower one.
SCIPY_ABSOLUTE = 1e-9
SMALLEST = mp.mpf("1e-290")


def write(name, rows, head="function,a,b,c,d,value"):
    with open(HERE / f"{name}.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(head.split(","))
        for function, *arguments, value in rows:
            arguments = list(arguments) + [""] * (4 - len(arguments))
            out.writerow([function, *[shown(x) for x in arguments], shown(value)])
    print(name, len(rows))


def shown(x):
    if isinstance(x, mp.mpf):
        x = float(x)
    if isinstance(x, (float, np.floating)):
        return repr(float(x))
    return str(x)


def checked(value, scipy_value, what):
    if value > SMALLEST:
        off = abs(mp.mpf(float(scipy_value)) / value - 1)
        if off * value < SCIPY_ABSOLUTE:
            return value
        numbers = what if isinstance(what, tuple) else ()
        large = any(isinstance(x, (int, float)) and x >= LARGE for x in numbers)
        assert off < (SCIPY_LARGE if large else SCIPY), (what, float(value), float(scipy_value), float(off))
    return value


def outward(mass, ratio, start, stop, step):
    """Sum of masses from `start` to `stop`, given P(next) / P(this)."""
    term = mass
    total = mp.mpf(0)
    k = start
    while True:
        total += term
        if k == stop:
            break
        r = ratio(k)
        term *= r
        k += step
        # A geometric bound on what is left, where the terms fall.
        if r < 1 and term < total * mp.mpf(10) ** -40 * (1 - r):
            break
    return total


def tails(mass, down, up, k, least, most, mean):
    """Both tails, each with k: the falling one summed, the other as what is left of 1."""
    if k <= mean:
        low = outward(mass, down, k, least, -1)
        return low, 1 - low + mass
    high = outward(mass, up, k, most, 1)
    return 1 - high + mass, high


def ln_choose(n, k):
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def binomial_mass(k, n, p):
    p = mp.mpf(p)
    return mp.exp(ln_choose(n, k) + k * mp.log(p) + (n - k) * mp.log1p(-p))


def binomial_tails(k, n, p):
    odds = mp.mpf(p) / (1 - mp.mpf(p))
    mass = binomial_mass(k, n, p)
    down = lambda i: mp.mpf(i) / (n - i + 1) / odds
    up = lambda i: mp.mpf(n - i) / (i + 1) * odds
    return mass, *tails(mass, down, up, k, 0, n, n * p)


def binomial():
    rows = []
    cases = [(0, 1, 0.5), (1, 1, 0.3), (0, 20, 1e-9), (20, 20, 0.999), (3, 20, 1e-9)]
    for n in (5, 20, 100, 1000, 10**5, 10**7):
        for p in (1e-6, 0.0657, 0.25, 103 / 203, 0.6, 0.95):
            sd = math.sqrt(n * p * (1 - p))
            for z in (-30, -10, -5, -3, -1, 0, 1, 3, 5, 10, 30):
                k = round(n * p + z * sd)
                if 0 <= k <= n:
                    cases.append((k, n, p))
    for k, n, p in sorted(set(cases)):
        mass, low, high = binomial_tails(k, n, p)
        if min(mass, low, high) < SMALLEST:
            continue
        rows.append(("binomial", k, n, p, checked(mass, stats.binom.pmf(k, n, p), (k, n, p))))
        rows.append(("binomial_at_most", k, n, p, checked(low, stats.binom.cdf(k, n, p), (k, n, p))))
        rows.append(
            ("binomial_at_least", k, n, p, checked(high, stats.binom.sf(k - 1, n, p), (k, n, p)))
        )
    for k, n, p in [(0, 5, 0.5), (6, 14, 0.51), (682, 925, 0.75), (60, 100, 0.5), (0, 100, 0.02),
                    (100, 100, 0.98), (5300, 10000, 0.515), (7, 12, 1 / 3), (30, 900, 0.05)]:
        rows.append(("binomial_two_sided", k, n, p, stats.binomtest(k, n, p).pvalue))
    write("binomial", rows)


def poisson():
    rows = []
    for m in (1e-9, 0.1, 1.5, 3.0, 14.2, 100.0, 1234.5, 1e5, 1e7):
        for z in (-30, -10, -5, -3, -1, 0, 1, 3, 5, 10, 30):
            k = round(m + z * math.sqrt(m))
            ks = {k} if m > 1 else {0, 1, 2, 5, 12}
            for k in sorted(ks):
                if k < 0:
                    continue
                mean = mp.mpf(m)
                mass = mp.exp(k * mp.log(mean) - mean - mp.loggamma(k + 1))
                low, high = tails(mass, lambda i: mp.mpf(i) / mean, lambda i: mean / (i + 1), k, 0, -1, m)
                if min(mass, low, high) < SMALLEST:
                    continue
                what = ("poisson", k, m)
                rows.append(("poisson", k, m, checked(mass, stats.poisson.pmf(k, m), what)))
                rows.append(("poisson_at_most", k, m, checked(low, stats.poisson.cdf(k, m), what)))
                rows.append(("poisson_at_least", k, m, checked(high, stats.poisson.sf(k - 1, m), what)))
    write("poisson", sorted(set(rows)))


def gamma_tails(a, x):
    """P(a, x) and Q(a, x) by the series of P with enough digits for the difference."""
    with mp.workdps(330):
        a, x = mp.mpf(a), mp.mpf(x)
        term = total = 1 / a
        n = a
        while True:
            n += 1
            term *= x / n
            total += term
            if n > x and term < total * mp.mpf(10) ** -325:
                break
        low = total * mp.exp(a * mp.log(x) - x - mp.loggamma(a))
        return low, 1 - low


def chi_square():
    rows = []
    for df in (1, 2, 3, 8, 9, 11, 12, 23, 59, 359, 10**4):
        for z in (-30, -10, -5, -3, -1, 0, 1, 3, 5, 10, 30, 60):
            x = df + z * math.sqrt(2 * df)
            xs = [x] if x > 0 else [1e-12 * df, 0.01 * df, 0.2 * df]
            for x in xs:
                low, high = gamma_tails(df / mp.mpf(2), mp.mpf(x) / 2)
                if min(low, high) < SMALLEST:
                    continue
                rows.append(("chi_square_lower", x, df, checked(low, stats.chi2.cdf(x, df), (x, df))))
                rows.append(("chi_square_upper", x, df, checked(high, stats.chi2.sf(x, df), (x, df))))
    write("chi_square", sorted(set(rows)))


def normal():
    rows = []
    for z in (-8.0, -3.0, -1.0, -1e-9, 0.0, 1e-5, 0.5, 1.0, 1.959963984540054, 3.290526731491894,
              6.0, 10.0, 20.0, 36.0):
        value = mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2
        rows.append(("normal_upper", z, checked(value, stats.norm.sf(z), z)))
    for tail in (0.5, 0.4999, 0.1, 0.025, 0.005, 0.0005, 1e-6, 1e-12, 1e-100, 1e-290, 0.9, 0.999):
        guess = stats.norm.isf(tail)
        value = mp.findroot(
            lambda z: mp.log(mp.erfc(z / mp.sqrt(2)) / 2) - mp.log(mp.mpf(tail)), mp.mpf(guess)
        )
        rows.append(("normal_quantile", tail, mp.chop(value, 1e-30)))
    for t in (0.0, 1e-6, 0.5, 1.0, 2.0, 4.587, 10.0, 100.0, 1e6):
        for df in (1.0, 2.0, 7.0, 10.0, 34.0, 500.0, 1e5):
            half, square = mp.mpf(1) / 2, mp.mpf(t) ** 2
            if square < df:
                y = square / (df + square)
                value = 1 - mp.betainc(half, mp.mpf(df) / 2, 0, y, regularized=True)
            else:
                x = df / (df + square)
                value = mp.betainc(mp.mpf(df) / 2, half, 0, x, regularized=True)
            if value > SMALLEST:
                rows.append(("student_two_sided", t, df, checked(value, 2 * stats.t.sf(t, df), (t, df))))
    write("normal", rows)


def ln_nb(k, mean, size):
    k, mean, size = mp.mpf(k), mp.mpf(mean), mp.mpf(size)
    whole = mean + size
    return (mp.loggamma(k + size) - mp.loggamma(size) - mp.loggamma(k + 1)
            + size * mp.log(size / whole) + k * mp.log(mean / whole))


def negative_binomial():
    rows = []
    for mean in (0.5, 4.0, 40.0, 3000.0, 10.0**5):
        for size in (0.4, 2.0, 25.0, 1e4, 1e9):
            sd = math.sqrt(mean + mean * mean / size)
            for z in (-10, -5, -3, -2, -1, 0, 1, 3, 6, 12):
                k = round(mean + z * sd)
                # Where the scatter is very wide the sums are too long for a script.
                if k < 0 or mean / size > 300:
                    continue
                mass = mp.exp(ln_nb(k, mean, size))
                m, r = mp.mpf(mean), mp.mpf(size)
                q = m / (m + r)
                down = lambda i: i / ((i - 1 + r) * q)
                up = lambda i: (i + r) / (i + 1) * q
                low, high = tails(mass, down, up, k, 0, -1, mean)
                if min(mass, low, high) < SMALLEST:
                    continue
                p = size / (size + mean)
                what = ("nb", k, mean, size)
                # SciPy takes size / (size + mean), whose 1 - p has lost digits for large sizes.
                if size < 1e6:
                    checked(mass, stats.nbinom.pmf(k, size, p), what)
                    checked(low, stats.nbinom.cdf(k, size, p), what)
                    checked(high, stats.nbinom.sf(k - 1, size, p), what)
                rows.append(("negative_binomial", k, mean, size, mass))
                rows.append(("negative_binomial_at_most", k, mean, size, low))
                rows.append(("negative_binomial_at_least", k, mean, size, high))
    write("negative_binomial", rows)


def hypergeometric():
    rows = []
    for marked, others, drawn in [(3, 7, 5), (20, 480, 250), (60, 940, 480), (500, 500, 30),
                                  (10**4, 10**5, 5 * 10**4), (10**6, 9 * 10**6, 5 * 10**6)]:
        whole = marked + others
        mean = drawn * marked / whole
        sd = math.sqrt(mean * (others / whole) * ((whole - drawn) / (whole - 1)))
        for z in (-20, -6, -3, -1, 0, 1, 3, 6, 20):
            k = round(mean + z * sd)
            if not max(0, drawn - others) <= k <= min(drawn, marked):
                continue
            mass = mp.exp(ln_choose(marked, k) + ln_choose(others, drawn - k) - ln_choose(whole, drawn))
            down = lambda i: mp.mpf(i) * (others - drawn + i) / ((marked - i + 1) * (drawn - i + 1))
            up = lambda i: mp.mpf(marked - i) * (drawn - i) / ((i + 1) * (others - drawn + i + 1))
            least, most = max(0, drawn - others), min(drawn, marked)
            low, high = tails(mass, down, up, k, least, most, mean)
            if min(mass, low, high) < SMALLEST:
                continue
            if whole < 10**6:
                checked(mass, stats.hypergeom.pmf(k, whole, marked, drawn), (k, marked, others, drawn))
            table = [[k, drawn - k], [marked - k, others - drawn + k]]
            if whole < 10**5:
                checked(low, stats.fisher_exact(table, "less")[1], table)
                checked(high, stats.fisher_exact(table, "greater")[1], table)
                rows.append(("two_sided", k, marked, others, drawn, stats.fisher_exact(table)[1]))
            rows.append(("hypergeometric", k, marked, others, drawn, mass))
            rows.append(("less_frequent", k, marked, others, drawn, low))
            rows.append(("more_frequent", k, marked, others, drawn, high))
    write("hypergeometric", rows)


def conditional():
    """Beta-binomial masses and doubled tails, twice the smaller one."""
    rows = []
    for n, own, other in [(12, 0.3, 4.0), (60, 2.0, 22.0), (500, 8.0, 90.0), (5000, 40.0, 1400.0),
                          (10**5, 300.0, 10800.0), (3000, 1e7, 3e8)]:
        share = own / (own + other)
        sd = math.sqrt(n * share * (1 - share) * (own + other + n) / (own + other + 1))
        for z in (-4, -2, -1, 0, 1, 2, 4, 8):
            k = round(n * share + z * sd)
            if not 0 <= k <= n:
                continue
            a, b = mp.mpf(own), mp.mpf(other)
            mass = mp.exp(ln_choose(n, k) + mp.loggamma(k + a) + mp.loggamma(n - k + b)
                          - mp.loggamma(n + a + b) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b))
            down = lambda i: mp.mpf(i) * (n - i + b) / ((n - i + 1) * (i - 1 + a))
            up = lambda i: mp.mpf(n - i) * (i + a) / ((i + 1) * (n - i - 1 + b))
            low, high = tails(mass, down, up, k, 0, n, n * share)
            if own < 1e6:
                checked(mass, stats.betabinom.pmf(k, n, own, other), (k, n, own, other))
                checked(low, stats.betabinom.cdf(k, n, own, other), (k, n, own, other))
                checked(high, stats.betabinom.sf(k - 1, n, own, other), (k, n, own, other))
            rows.append(("beta_binomial", k, n, own, other, mass))
            rows.append(("doubled", k, n, own, other, min(mp.mpf(1), 2 * min(low, high))))
    write("conditional", rows)


def polished(share, tail, pick, k, n, density):
    """Newton steps on the summed tail: SciPy's quantile is off by 1e-8 at 999 of a million."""
    share = mp.mpf(float(share))
    for _ in range(2):
        off = binomial_tails(k, n, share)[pick] - mp.mpf(tail)
        share -= off / mp.mpf(float(density(float(share))))
    return share


def intervals():
    rows = []
    cases = [(0, 1), (1, 1), (0, 20), (1, 29), (15, 148), (81, 263), (263, 263), (49, 50),
             (103, 200), (999, 10**6), (5 * 10**6, 10**7), (1, 10**7)]
    for k, n in cases:
        for confidence in (0.8, 0.95, 0.999):
            tail = (1 - confidence) / 2
            low = stats.beta.ppf(tail, k, n - k + 1) if k else 0.0
            high = stats.beta.isf(tail, k + 1, n - k) if k < n else 1.0
            exact = proportion_confint(k, n, 1 - confidence, "beta")
            assert np.allclose(exact, (low, high), rtol=1e-7), (k, n)
            if k:
                rises = lambda p: stats.beta.pdf(p, k, n - k + 1)
                low = polished(low, tail, 2, k, n, rises)
            if k < n:
                falls = lambda p: -stats.beta.pdf(p, k + 1, n - k)
                high = polished(high, tail, 1, k, n, falls)
            rows.append(("clopper_pearson_low", k, n, confidence, low))
            rows.append(("clopper_pearson_high", k, n, confidence, high))
            score = stats.binomtest(k, n).proportion_ci(confidence, "wilson")
            rows.append(("wilson_low", k, n, confidence, max(0.0, score.low) if k else 0.0))
            rows.append(("wilson_high", k, n, confidence, min(1.0, score.high) if k < n else 1.0))
            one = stats.beta.ppf(1 - confidence, k, n - k + 1) if k else 0.0
            if k:
                one = polished(one, 1 - confidence, 2, k, n, rises)
            rows.append(("share_lower_limit", k, n, confidence, one))
    for k in (0, 1, 5, 14, 100, 12345, 10**7):
        for confidence in (0.8, 0.95, 0.999):
            tail = (1 - confidence) / 2
            rows.append(("poisson_low", k, confidence, stats.chi2.ppf(tail, 2 * k) / 2 if k else 0.0))
            rows.append(("poisson_high", k, confidence, stats.chi2.isf(tail, 2 * k + 2) / 2))
    for first, second, both in [(0, 0, 0), (10, 12, 0), (10, 12, 10), (50, 40, 20), (900, 1200, 880)]:
        a, b, c = both + 0.5, first - both + 0.5, second - both + 0.5
        spread = math.sqrt(1 / a + 1 / b + 1 / c + a / (b * c)) * stats.norm.isf(0.025)
        base = first + second - both - 0.5
        variance = ((first + 1) * (second + 1) * (first - both) * (second - both)
                    / ((both + 1) ** 2 * (both + 2)))
        rows.append(("chapman", first, second, both, (first + 1) * (second + 1) / (both + 1) - 1))
        rows.append(("chapman_error", first, second, both, math.sqrt(variance)))
        rows.append(("chapman_low", first, second, both, base + b * c / a * math.exp(-spread)))
        rows.append(("chapman_high", first, second, both, base + b * c / a * math.exp(spread)))
    for wrong in (0.0, 0.02, 0.05, 0.1, 0.3, 1.0):
        rows.append(("acceptance", 52, 2, wrong, stats.binom.cdf(2, 52, wrong)))
    write("intervals", rows)


def shown_effects():
    """Powers by listing every critical value."""
    rows = []
    for n in (30, 50, 100, 300, 1000, 20000):
        for null in (0.3, 107 / 207, 1.25 * 24 / 365.25):
            for level in (0.001, 0.0005):
                critical = [k for k in range(n + 1) if stats.binom.sf(k - 1, n, null) < level][0]
                share = stats.beta.ppf(0.8, critical, n - critical + 1)
                rows.append(("share_shown_above", n, null, level, share))
                below = [k for k in range(n + 1) if stats.binom.cdf(k, n, null) < level]
                if below:
                    share = stats.beta.isf(0.8, below[-1] + 1, n - below[-1])
                    rows.append(("share_shown_below", n, null, level, share))
    for mean in (0.0, 1.0, 8.0, 20.0, 500.0):
        critical = [k for k in range(1, 2000) if stats.poisson.sf(k - 1, mean) < 0.001][0]
        rows.append(("mean_shown_above", mean, 0.001, stats.chi2.ppf(0.8, 2 * critical) / 2))
        below = [k for k in range(2000) if stats.poisson.cdf(k, mean) < 0.001 and k < mean]
        if below:
            rows.append(("mean_shown_below", mean, 0.001, stats.chi2.isf(0.8, 2 * below[-1] + 2) / 2))
    # Where a sum of squares is a ratio times chi-square, as often below its lower point as asked.
    for freedom in (11, 12, 23, 59, 200):
        for level in (0.001, 0.01):
            shown = stats.chi2.ppf(level, freedom) / stats.chi2.ppf(0.8, freedom)
            rows.append(("evenness_shown", freedom, level, shown))
    write("power", rows)


def run_of_one(n, m, p):
    """1 - P(no run), by the recursion of the tribonacci kind, with digits to spare."""
    none = [mp.mpf(1)] * (n + 1)
    for t in range(m, n + 1):
        # The first full run ends at t: preceded by a failure or by the beginning.
        previous = none[t - m - 1] * (1 - p) if t > m else mp.mpf(1)
        none[t] = none[t - 1] - previous * p**m
    return 1 - none[n]


def run_of_any(n, k, mean):
    """By the transition matrix of (value, length), with values of a mass above 1e-20."""
    values = np.arange(0, int(mean + 40 * math.sqrt(mean) + 60))
    p = stats.poisson.pmf(values, mean)
    p = p[p > 1e-20]
    state = np.zeros((len(p), k))
    state[:, 1 if k > 1 else 0] = p
    reached = 0.0
    for _ in range(n - 1):
        reached += float((state[:, k - 1] * p).sum())
        ends = state.sum(axis=1)
        new = np.zeros_like(state)
        new[:, 2:] = state[:, 1:-1] * p[:, None]
        new[:, 1] = p * (ends.sum() - ends)
        state = new
    return reached


def runs():
    rows = []
    for n in (1, 2, 12, 24, 36, 120):
        for m in (1, 2, 3, 5, 12):
            if m > n:
                continue
            for mean in (0.0, 0.2, 1.5, 3.0, 8.0, 30.0):
                with mp.workdps(300):
                    rows.append(("run_of_zeros", n, m, mean, run_of_one(n, m, mp.exp(-mp.mpf(mean)))))
    for n in (4, 12, 24, 36, 120):
        for k in (2, 3, 4, 6, 10):
            if k > n:
                continue
            for mean in (0.05, 1.5, 4.0, 20.0, 300.0):
                rows.append(("run_of_any", n, k, mean, run_of_any(n, k, mean)))
    write("runs", rows)


def winsorised(scores, fraction):
    cut = math.ceil(len(scores) * fraction)
    fraction = cut / len(scores)
    ranked = np.sort(scores)
    z = stats.norm.isf(fraction)
    left = (1 - 2 * fraction) - 2 * z * stats.norm.pdf(z) + 2 * fraction * z * z
    mean = (np.clip(scores, ranked[cut], ranked[-cut - 1]) ** 2).mean()
    return max(1.0, mean / left)


def series():
    """Statistics of whole series, one row each: function, series, series, value."""
    rng = np.random.default_rng(20)
    rows = []
    join = lambda xs: " ".join(shown(x) for x in xs)
    for mean, n in [(1.0, 12), (4.0, 24), (90.0, 36)]:
        x = rng.poisson(mean, n)
        d = ((x - x.mean()) ** 2 / x.mean()).sum()
        rows.append(("dispersion", join(x.tolist()), "", "", "", d))
        rows.append(("dispersion_lower", join(x.tolist()), "", "", "", stats.chi2.cdf(d, n - 1)))
    for digits in ([10] * 10, [30, 5, 9, 8, 11, 25, 8, 9, 10, 7], [100] + [0] * 9):
        test = stats.chisquare(digits)
        rows.append(("digits", join(digits), "", "", "", test.statistic))
        rows.append(("digits_p", join(digits), "", "", "", test.pvalue))
    # Units: the second one counts twice too many; and units that truly differ.
    for units in (10, 25):
        for spread in (0.0, 0.3):
            exposure = np.round(rng.uniform(500, 4000, units))
            rate = 0.02 * np.exp(rng.normal(0, spread, units))
            rate[1] *= 2
            x = rng.poisson(exposure * rate)
            kept = np.arange(units) != 1
            total, rest = x[kept].sum(), exposure[kept].sum()
            e = total * exposure[kept] / rest
            z = 2 * (np.sqrt(x[kept]) - np.sqrt(e)) / np.sqrt(1 - exposure[kept] / rest)
            phi = winsorised(z, 0.1)
            share = exposure[1] / exposure.sum()
            own = 2 * (np.sqrt(x[1]) - np.sqrt(x.sum() * share)) / np.sqrt(1 - share)
            rows.append(("unit_dispersion", join(x.tolist()), join(exposure), "", "", phi))
            rows.append(("unit_z", join(x.tolist()), join(exposure), "", "", own))
            freedom = units - 2 - 2 * math.ceil(0.1 * (units - 1))
            p = 2 * stats.t.sf(abs(own) / math.sqrt(phi), freedom)
            rows.append(("unit_p", join(x.tolist()), join(exposure), "", "", p))
    for mean, n in [(3.0, 12), (25.0, 24)]:
        x = rng.negative_binomial(mean, 0.5, n)
        o = x[1:]
        phi = max(1.0, ((o - o.mean()) ** 2 / o.mean()).sum() / (n - 2))
        own = o.mean() / (phi - 1)
        low = stats.betabinom.cdf(x[0], x.sum(), own, own * (n - 1))
        high = stats.betabinom.sf(x[0] - 1, x.sum(), own, own * (n - 1))
        p = min(1.0, 2 * min(low, high))
        p = 2 * stats.t.sf(stats.norm.isf(p / 2), n - 2)
        rows.append(("against_others", join(x.tolist()), "", "", "", p))
    for n in (1, 2, 7, 60):
        p = rng.uniform(0, 1, n) ** 3
        rows.append(("simes", join(p), "", "", "", (np.sort(p) * n / np.arange(1, n + 1)).min()))
        adjusted = multipletests(p, method="fdr_bh")[1]
        rows.append(("benjamini_hochberg", join(p), join(adjusted), "", "", 0.0))
    # The largest cumulative sum, and its p given the total by 200,000 replicates.
    for x in (rng.poisson(5, 24), np.sort(rng.poisson(5, 24)),
              np.concatenate([rng.poisson(40, 24), rng.poisson(52, 12)])):
        def largest(x, e):
            up = down = np.zeros(len(x))
            best = np.zeros(len(x))
            for column in ((x - e) / math.sqrt(e)).T:
                up = np.maximum(0, up + column - 0.5)
                down = np.maximum(0, down - column - 0.5)
                best = np.maximum(best, np.maximum(up, down))
            return best
        n, total = len(x), int(x.sum())
        own = largest(x[None, :], total / n)[0]
        drawn = rng.multinomial(total, np.full(n, 1 / n), 200_000)
        p = ((largest(drawn, total / n) >= own * (1 - 1e-12)).sum() + 1) / 200_001
        rows.append(("cusum", join(x.tolist()), "", "", "", own))
        rows.append(("cusum_p", join(x.tolist()), "", "", "", p))
    write("series", rows)


def names():
    rows = []
    pairs = [("MARTHA", "MARHTA"), ("DWAYNE", "DUANE"), ("DIXON", "DICKSONX"), ("JELLYFISH", "SMELLYFISH"),
             ("王小明", "王小明"), ("王小明", "王晓明"), ("欧阳娜娜", "欧阳娜"), ("李", "王"), ("陈思思", "陈思"),
             ("买买提·阿布都拉", "买买提·阿不都拉"), ("a", "ab"), ("ABCVWXYZ", "CABVWXYZ"), ("司马相如", "相如司马")]
    random.seed(3)
    for _ in range(60):
        letters = random.choice(["ab", "abc", "王李张小明华"])
        pairs.append(tuple("".join(random.choices(letters, k=random.randint(1, 8))) for _ in range(2)))
    for one, other in pairs:
        # The greedy assignment can depend on the direction; the better one counts.
        jaro = max(jellyfish.jaro_similarity(one, other), jellyfish.jaro_similarity(other, one))
        winkler = max(jellyfish.jaro_winkler_similarity(one, other),
                      jellyfish.jaro_winkler_similarity(other, one))
        rows.append(("jaro", one, other, "", "", jaro))
        rows.append(("jaro_winkler", one, other, "", "", winkler))
    for weeks in (20, 24, 28, 32, 36, 40, 42, 44):
        w = min(weeks, 42)
        rows.append(("hadlock", weeks * 7, "", "", "", math.exp(0.578 + 0.332 * w - 0.00354 * w * w)))
    write("names", rows)


TABLES = (binomial, poisson, chi_square, normal, negative_binomial, hypergeometric, conditional,
          intervals, shown_effects, runs, series, names)
for make in TABLES:
    if len(sys.argv) == 1 or make.__name__ in sys.argv[1:]:
        make()
