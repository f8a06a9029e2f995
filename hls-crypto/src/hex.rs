//! Hexadecimal text to bytes, shared by keys and initialisation vectors.

pub(crate) enum HexError {
    Empty,
    NotHex,
    TooLong,
}

/// Reads at most 32 digits after an optional `0x` or `0X`, padded on the left; returns the digit count too.
pub(crate) fn parse(text: &str) -> Result<([u8; 16], usize), HexError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.is_empty() {
        return Err(HexError::Empty);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(HexError::NotHex);
    }
    if digits.len() > 32 {
        return Err(HexError::TooLong);
    }
    let number = u128::from_str_radix(digits, 16).map_err(|_| HexError::NotHex)?;
    Ok((number.to_be_bytes(), digits.len()))
}
