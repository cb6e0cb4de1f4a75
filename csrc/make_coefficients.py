"""Make csrc/coefficients.h: minimax polynomials for the logarithm, the ratio and exp.

    python csrc/make_coefficients.py > csrc/coefficients.h

Needs mpmath. Every fit is a Remez exchange in 60 digits; the attained relative error is written
beside the coefficients. With s = (m - 1)/(m + 1) and z = s^2,

    log m = 2 s + s z R(z),      R(z) = 2/3 + 2 z/5 + 2 z^2/7 + ...

so one function R serves the logarithm (m in one binade around 1) and the logarithm of a ratio
(v = (p - q)/(p + q)); only the interval and the number of coefficients differ.
"""

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60

Function = Callable[[mp.mpf], mp.mpf]


def log_tail(z: mp.mpf) -> mp.mpf:
    """R(z) of the module's docstring; its series where the closed form would cancel."""
    if z < mp.mpf("1e-12"):
        return mp.mpf(2) / 3 + 2 * z / 5 + 2 * z**2 / 7
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def exp_tail(r: mp.mpf) -> mp.mpf:
    """(e^r - 1 - r) / r^2."""
    if abs(r) < mp.mpf("1e-15"):
        return mp.mpf(1) / 2 + r / 6
    return (mp.expm1(r) - r) / r**2


def remez(
    function: Function, weight: Function, low: mp.mpf, high: mp.mpf, count: int
) -> tuple[list[mp.mpf], mp.mpf]:
    """Return `count` coefficients minimising max |weight * (polynomial - function)|."""
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / (count + 1))
        for i in reversed(range(count + 1))
    ]
    for _ in range(12):
        system = mp.matrix(count + 1, count + 1)
        values = mp.matrix(count + 1, 1)
        for i, x in enumerate(nodes):
            for j in range(count):
                system[i, j] = x**j
            system[i, count] = (-1) ** i / weight(x)
            values[i] = function(x)
        solution = mp.lu_solve(system, values)
        coefficients = [solution[j] for j in range(count)]
        nodes, worst = extrema(function, weight, coefficients, low, high, count + 1)
    return coefficients, worst


def extrema(
    function: Function,
    weight: Function,
    coefficients: list[mp.mpf],
    low: mp.mpf,
    high: mp.mpf,
    wanted: int,
) -> tuple[list[mp.mpf], mp.mpf]:
    """Return the `wanted` alternating extrema of the weighted error, and the largest error."""
    grid = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (60 * wanted))
        for i in range(60 * wanted + 1)
    ]
    errors = [weight(x) * (mp.polyval(coefficients[::-1], x) - function(x)) for x in grid]
    peaks: list[int] = []
    for i in range(len(grid)):
        if peaks and errors[i] * errors[peaks[-1]] > 0:
            if abs(errors[i]) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > wanted:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return [grid[i] for i in peaks], max(abs(e) for e in errors)


def show(name: str, comment: str, coefficients: list[mp.mpf], worst: mp.mpf, ctype: str) -> None:
    """Print one table in C, lowest order first."""
    print(f"\n/* {comment}; relative error of the fit 2^{float(mp.log(worst, 2)):.1f}. */")
    print(f"static const {ctype} {name}[{len(coefficients)}] = {{")
    for value in coefficients:
        rounded = mp.mpf(float(value)) if ctype == "double" else round_to_float(value)
        suffix = "" if ctype == "double" else "f"
        print(f"    {float(rounded).hex()}{suffix},")
    print("};")


def round_to_float(value: mp.mpf) -> mp.mpf:
    """Round to the 24 bits of a float."""
    with mp.workprec(24):
        return +value


def constant(name: str, value: mp.mpf, comment: str) -> None:
    """Print one double constant in C."""
    print(f"#define {name} {float(value).hex()} /* {comment} */")


def main() -> None:
    """Print the header."""
    # The mantissa lies in [0.67676, 1.35352): the lower end keeps f^2 below 1/8.
    log_end = ((1 - mp.mpf("0.67675")) / (1 + mp.mpf("0.67675"))) ** 2
    # The ratio p'/q stays below 1.75 (kernels/kl_divergence.h): v <= 0.75/2.75.
    ratio_end = (mp.mpf("0.75") / mp.mpf("2.75")) ** 2 * mp.mpf("1.0001")
    half_ln2 = mp.log(2) / 2 * mp.mpf("1.0001")
    print("/* Made by csrc/make_coefficients.py; do not edit. */\n/* clang-format off */")
    print("#ifndef FE_COEFFICIENTS_H\n#define FE_COEFFICIENTS_H\n")
    ln2 = mp.log(2)
    ln2_high = mp.mpf(int(ln2 * 2**42)) / 2**42
    constant("FE_LN2", ln2, "log 2")
    constant("FE_LN2_HIGH", ln2_high, "log 2 to 42 bits: n * this is exact for |n| < 2^11")
    constant("FE_LN2_LOW", ln2 - ln2_high, "log 2 less FE_LN2_HIGH")
    constant("FE_INVERSE_LN2", 1 / ln2, "1 / log 2")
    ln2_high_f32 = mp.mpf(int(ln2 * 2**15)) / 2**15
    constant("FE_LN2_HIGH_F32", ln2_high_f32, "log 2 to 15 bits: n * this is exact for |n| < 2^9")
    constant("FE_LN2_LOW_F32", ln2 - ln2_high_f32, "log 2 less FE_LN2_HIGH_F32")
    for name, end, count, ctype in (
        ("FE_LOG_F32", log_end, 3, "float"),
        ("FE_LOG_F64", log_end, 7, "double"),
        ("FE_LOG_PAIR_F64", log_end, 8, "double"),
        ("FE_RATIO_F32", ratio_end, 3, "float"),
        ("FE_RATIO_LONG_F32", ratio_end, 4, "float"),
        ("FE_RATIO_F64", ratio_end, 8, "double"),
    ):
        # z R / 2 is the error relative to 2 s, the leading term of the logarithm.
        fit, worst = remez(log_tail, lambda z: z / 2 + mp.mpf("1e-30"), mp.mpf(0), end, count)
        show(name, f"R(z) for z <= {float(end):.5f}", fit, worst, ctype)
    for name, count, ctype in (
        ("FE_EXP_F32", 5, "float"),
        ("FE_EXP_SUM_F32", 4, "float"),
        ("FE_EXP_F64", 11, "double"),
        ("FE_EXP_SUM_F64", 9, "double"),
    ):
        fit, worst = remez(exp_tail, lambda r: r**2 + mp.mpf("1e-30"), -half_ln2, half_ln2, count)
        show(name, "(e^r - 1 - r)/r^2 for |r| <= log(2)/2", fit, worst, ctype)
    fit, worst = remez(exp_tail, lambda r: 1 / exp_tail(r), -half_ln2, half_ln2, 6)
    show("FE_PHI_F32", "the same, its error relative to itself", fit, worst, "float")
    print("\n#endif")


if __name__ == "__main__":
    main()
