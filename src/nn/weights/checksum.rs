//! Checksums of tensors: SHA-256 in hexadecimal.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::error::Result;

/// SHA-256, in hexadecimal, over tensors in the given order (that of their names): name, a 0 byte,
/// the stored bytes.
pub(crate) fn tensors_sha256<'t>(tensors: impl Iterator<Item = (&'t str, Result<Cow<'t, [u8]>>)>) -> Result<String> {
    let mut digest = Sha256::new();
    for (name, bytes) in tensors {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(&bytes?);
    }
    Ok(hex(&digest.finalize()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default()));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_two_digits_per_byte() {
        assert_eq!(hex(&[0, 1, 0xAB, 0xFF]), "0001abff");
    }
}
