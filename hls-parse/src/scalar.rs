//! The values of tags and attributes (rfc8216bis-22, section 4.2).

use std::time::Duration;

use crate::{ByteRange, Resolution};

pub(crate) enum Decimal<'t> {
    /// The duration, whether it had to be cut to fit, and what follows the number.
    Value {
        duration: Duration,
        cut: bool,
        rest: &'t str,
    },
    Negative(&'t str),
    None,
}

/// Reads a decimal number of seconds to the microsecond; anything may follow.
pub(crate) fn seconds(text: &str) -> Decimal<'_> {
    let text = text.trim_ascii_start();
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let whole_end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(whole_end);
    let fraction = rest.strip_prefix('.').unwrap_or("");
    let fraction_end = fraction.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    let (fraction, after) = fraction.split_at(fraction_end);
    if whole.is_empty() && fraction.is_empty() {
        return Decimal::None;
    }
    let rest = if rest.starts_with('.') { after } else { rest };
    if negative {
        return Decimal::Negative(rest);
    }
    match microseconds(whole, fraction) {
        Some(micros) => Decimal::Value { duration: Duration::from_micros(micros), cut: false, rest },
        None => Decimal::Value { duration: Duration::from_micros(MAX_MICROS), cut: true, rest },
    }
}

// A million segments of this length still add up in 128 bits and in a `Duration`.
const MAX_MICROS: u64 = u64::MAX / 2;

fn microseconds(whole: &str, fraction: &str) -> Option<u64> {
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut micros = 0;
    let mut scale = 100_000;
    for digit in fraction.bytes().take(6) {
        micros += u64::from(digit - b'0') * scale;
        scale /= 10;
    }
    if fraction.as_bytes().get(6).is_some_and(|&digit| digit >= b'5') {
        micros += 1;
    }
    seconds.checked_mul(1_000_000)?.checked_add(micros).filter(|&micros| micros <= MAX_MICROS)
}

/// Reads the digits at the beginning; `Ok` holds the number and what follows it.
pub(crate) fn leading_integer(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_ascii();
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// Reads a number that is nothing but digits.
pub(crate) fn integer(text: &str) -> Option<u64> {
    leading_integer(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

pub(crate) fn float(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// Reads a number with a sign or without.
pub(crate) fn signed(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads a number of seconds and nothing else.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    match seconds(text) {
        Decimal::Value { duration, rest, .. } if rest.trim_ascii().is_empty() => Some(duration),
        _ => None,
    }
}

/// Splits a list of words, as enumerated-string-lists are.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim_ascii).filter(|word| !word.is_empty())
}

/// Reads a hexadecimal sequence of any length.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (first, pairs) = digits.as_bytes().split_at_checked(digits.len() % 2)?;
    let first = first.iter().map(|byte| digit(*byte));
    let pairs = pairs.chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    first.chain(pairs).collect::<Option<Vec<_>>>().filter(|bytes| !bytes.is_empty())
}

/// Reads 128 bits in hexadecimal, padded on the left.
pub(crate) fn hex128(text: &str) -> Option<[u8; 16]> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    // Each segment may have a vector: pairs of digits, from the end, are five times as fast as one number.
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().rev().zip(digits.as_bytes().rchunks(2)) {
        for digit in pair {
            *byte = *byte << 4 | HEX_DIGITS[usize::from(*digit)]?;
        }
    }
    Some(bytes)
}

const HEX_DIGITS: [Option<u8>; 256] = {
    let mut digits = [None; 256];
    let mut n = 0;
    while n < 16 {
        let digit = b"0123456789abcdef"[n];
        digits[digit as usize] = Some(n as u8);
        digits[digit.to_ascii_uppercase() as usize] = Some(n as u8);
        n += 1;
    }
    digits
};

pub(crate) fn resolution(text: &str) -> Option<Resolution> {
    let (width, height) = text.split_once(['x', 'X'])?;
    let number = |text: &str| leading_integer(text).and_then(|(number, _)| u32::try_from(number).ok());
    Some(Resolution { width: number(width)?, height: number(height)? })
}

/// Reads `n[@o]`; the range has to end within 64 bits and hold at least a byte.
pub(crate) fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim_ascii();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let (length, offset) = match text.split_once('@') {
        Some((length, offset)) => (integer(length)?, Some(integer(offset)?)),
        None => (integer(text)?, None),
    };
    ByteRange::new(offset.unwrap_or(0), length)?;
    Some((length, offset))
}

/// Reads a byte range of no bytes; the offset where it has one.
pub(crate) fn empty_range(text: &str) -> Option<Option<u64>> {
    let (length, offset) = match text.trim_ascii().split_once('@') {
        Some((length, offset)) => (length, Some(integer(offset)?)),
        None => (text, None),
    };
    (integer(length)? == 0).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        fn check(text: &str, expect: Option<(u64, &str)>) {
            let got = match seconds(text) {
                Decimal::Value { duration, rest, .. } => Some((duration.as_micros() as u64, rest)),
                _ => None,
            };
            assert_eq!(got, expect, "{text:?}");
        }
        check("10", Some((10_000_000, "")));
        check(" 9.009", Some((9_009_000, "")));
        check(".5", Some((500_000, "")));
        check("5.", Some((5_000_000, "")));
        check("1e3", Some((1_000_000, "e3")));
        check("10;", Some((10_000_000, ";")));
        check("3.9999999", Some((4_000_000, "")));
        check("99999999999999999999999", Some((MAX_MICROS, "")));
        check("-1", None);
        check("nan", None);
        check("", None);
    }

    #[test]
    fn byte_ranges() {
        fn check(text: &str, expect: Option<(u64, Option<u64>)>) {
            assert_eq!(byte_range(text), expect, "{text:?}");
        }
        check("100@5", Some((100, Some(5))));
        check(" 100 @ 5 ", Some((100, Some(5))));
        check("\"100@5\"", Some((100, Some(5))));
        check("100", Some((100, None)));
        check("0@5", None);
        assert_eq!(
            [" 0@5", "0", "1@5", "0@", "@"].map(empty_range),
            [Some(Some(5)), Some(None), None, None, None]
        );
        check("100@", None);
        check("-1@5", None);
        check("18446744073709551615@1", None);
        check("18446744073709551616", None);
        check("abc", None);
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex("0xFC00a"), Some(vec![0x0f, 0xc0, 0x0a]));
        assert_eq!(hex("0XFC"), Some(vec![0xfc]));
        assert_eq!(hex("0x"), None);
        assert_eq!(hex("FC"), None);
        assert_eq!(hex("0xfg"), None);
    }

    #[test]
    fn vectors() {
        assert_eq!(hex128("0X1f"), Some(0x1f_u128.to_be_bytes()));
        assert_eq!(hex128("0xABCdef"), Some(0xab_cdef_u128.to_be_bytes()));
        assert_eq!(hex128("ffffffffffffffffffffffffffffffff"), Some([0xff; 16]));
        assert_eq!(hex128("0x1g"), None);
        assert_eq!(hex128("é"), None);
        assert_eq!(hex128("0x"), None);
        assert_eq!(hex128("0x000000000000000000000000000000001"), None);
    }
}
