//! Boxes: how they are made.

/// Makes a box of its type and body.
pub(crate) fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], name, body].concat()
}

/// Makes a box of its type, version, flags and body.
pub(crate) fn full(name: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = flags.to_be_bytes();
    boxed(name, &[&[version, a, b, c][..], body].concat())
}

/// Makes a box that has nothing but other boxes.
pub(crate) fn nest(name: &[u8; 4], children: &[Vec<u8>]) -> Vec<u8> {
    boxed(name, &children.concat())
}

/// Makes bytes of 32-bit numbers.
pub(crate) fn words<const N: usize>(numbers: [u32; N]) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}
