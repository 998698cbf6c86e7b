//! Reader of Kaldi's binary and text formats: tokens, numbers, vectors, matrices.
//!
//! | | binary (after `\0B`) | text |
//! |---|---|---|
//! | token | `<Name> ` | the same |
//! | integer | a byte 4, then 4 bytes | `12 ` |
//! | number | a byte 4 or 8, then as many | `0.5 ` |
//! | boolean | `T` or `F` | `T ` or `F ` |
//! | vector | `FV `, its length, 4 bytes each (`DV `: 8) | ` [ 1 2 3 ]` |
//! | matrix | `FM `, rows, columns, row by row (`DM `) | ` [` a line a row `]` |
//!
//! Source: Kaldi's `base/io-funcs`, `matrix/kaldi-vector`, `matrix/kaldi-matrix`. Nothing is
//! allocated before its bytes are present.

use std::str::FromStr;

use super::errors::malformed;
use crate::error::Result;
use crate::nn::Tensor;

/// A position in the file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    binary: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start, after the marker of a binary file.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let binary = bytes.starts_with(b"\0B");
        Self { bytes, at: if binary { 2 } else { 0 }, binary }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let taken = self.rest().get(..n).ok_or_else(|| malformed("the file is truncated; copy it again"))?;
        self.at += n;
        Ok(taken)
    }

    /// An error with its position.
    fn wrong(&self, what: &str) -> crate::Error {
        malformed(format!("byte {}: {what}", self.at))
    }

    /// The next token; consumes one space after it.
    pub(super) fn token(&mut self) -> Result<&'a str> {
        let spaces = self.rest().iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.at += spaces;
        let length = self.rest().iter().take_while(|b| !b.is_ascii_whitespace()).count();
        let word = self.take(length)?;
        if word.is_empty() {
            return Err(self.wrong("the file is truncated; copy it again"));
        }
        self.at = self.bytes.len().min(self.at + 1);
        self.text(word)
    }

    /// Consumes a token that must come next.
    pub(super) fn expect(&mut self, token: &str) -> Result<()> {
        let found = self.token()?;
        if found == token {
            Ok(())
        } else {
            Err(self.wrong(&format!("`{token}` was expected, not `{}`", found.escape_debug())))
        }
    }

    /// The next line, without its line break.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let length =
            self.rest().iter().position(|b| *b == b'\n').ok_or_else(|| self.wrong("a line without line break"))?;
        let line = self.take(length + 1)?;
        self.text(&line[..length])
    }

    /// UTF-8 text without control characters, because names are printed in messages.
    fn text(&self, bytes: &'a [u8]) -> Result<&'a str> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.chars().any(|c| c.is_control() && c != '\t' && c != '\r'));
        text.ok_or_else(|| self.wrong("a word that is not text"))
    }

    /// Consumes a line break if it comes next, as after `<Nnet3>`.
    pub(super) fn end_line(&mut self) {
        if self.rest().first() == Some(&b'\n') {
            self.at += 1;
        }
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T> {
        let word = self.token()?;
        word.parse().map_err(|_| self.wrong(&format!("a number was expected, not `{}`", word.escape_debug())))
    }

    /// An integer.
    pub(super) fn int(&mut self) -> Result<i64> {
        if !self.binary {
            return self.parsed();
        }
        match self.take(1)? {
            [4] => Ok(i64::from(i32::from_le_bytes(self.array()?))),
            [width] => Err(self.wrong(&format!("an integer of {} bytes", *width as i8))),
            _ => Err(self.wrong("an integer was expected")),
        }
    }

    fn size(&mut self) -> Result<usize> {
        let n = self.int()?;
        usize::try_from(n).map_err(|_| self.wrong(&format!("{n} is not a size")))
    }

    /// A number.
    pub(super) fn float(&mut self) -> Result<f64> {
        if !self.binary {
            return self.parsed();
        }
        match self.take(1)? {
            [4] => Ok(f64::from(f32::from_le_bytes(self.array()?))),
            [8] => Ok(f64::from_le_bytes(self.array()?)),
            _ => Err(self.wrong("a number of neither 4 nor 8 bytes")),
        }
    }

    /// A boolean.
    pub(super) fn bool(&mut self) -> Result<bool> {
        let word = if self.binary { std::str::from_utf8(self.take(1)?).unwrap_or_default() } else { self.token()? };
        match word {
            "T" => Ok(true),
            "F" => Ok(false),
            _ => Err(self.wrong("`T` or `F` was expected")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// `[n]`.
    pub(super) fn vector(&mut self) -> Result<Tensor> {
        let values = if self.binary {
            let wide = self.is_wide("FV", "DV")?;
            let n = self.size()?;
            self.values(n, wide)?
        } else {
            self.rows()?.0
        };
        Ok(Tensor::new(&[values.len()], values))
    }

    /// `[rows, columns]`.
    pub(super) fn matrix(&mut self) -> Result<Tensor> {
        let (values, rows) = if self.binary {
            let wide = self.is_wide("FM", "DM")?;
            let (rows, columns) = (self.size()?, self.size()?);
            let n = rows.checked_mul(columns).ok_or_else(|| self.wrong("a matrix that is too large"))?;
            (self.values(n, wide)?, rows)
        } else {
            self.rows()?
        };
        let columns = values.len().checked_div(rows).unwrap_or(0);
        Ok(Tensor::new(&[if columns == 0 { 0 } else { rows }, columns], values))
    }

    /// Reads the type of a vector or matrix: whether its values have 8 bytes.
    fn is_wide(&mut self, narrow: &str, wide: &str) -> Result<bool> {
        let kind = self.token()?;
        if kind != narrow && kind != wide {
            return Err(self.wrong(&format!("`{narrow}` or `{wide}` was expected, not `{}`", kind.escape_debug())));
        }
        Ok(kind == wide)
    }

    fn values(&mut self, n: usize, wide: bool) -> Result<Vec<f32>> {
        let size = if wide { 8 } else { 4 };
        let bytes = self.take(n.checked_mul(size).ok_or_else(|| self.wrong("a vector that is too large"))?)?;
        Ok(if wide {
            bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
        } else {
            bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        })
    }

    /// Parses `[`, lines of numbers, `]`. Returns the numbers and the number of lines, which must
    /// be equally long.
    fn rows(&mut self) -> Result<(Vec<f32>, usize)> {
        self.expect("[")?;
        let end = self.rest().iter().position(|b| *b == b']').ok_or_else(|| self.wrong("`[` without `]`"))?;
        let text = std::str::from_utf8(self.take(end)?).map_err(|_| self.wrong("numbers that are not text"))?;
        self.take(1)?;
        let (mut values, mut rows, mut columns) = (Vec::new(), 0, None);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let before = values.len();
            for word in line.split_ascii_whitespace() {
                let value =
                    word.parse().map_err(|_| self.wrong(&format!("`{}` is not a number", word.escape_debug())))?;
                values.push(value);
            }
            let count = values.len() - before;
            if *columns.get_or_insert(count) != count {
                return Err(self.wrong("rows of different lengths"));
            }
            rows += 1;
        }
        Ok((values, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_binary_give_the_same_values() {
        let mut text = Reader::new(b"<A> 7 -0.5 T [ 1 2 3 ]\n [\n  1 2 \n  3 4 ]\n<B> ");
        let mut bytes = b"\0B<A> \x04\x07\0\0\0\x08".to_vec();
        bytes.extend((-0.5_f64).to_le_bytes());
        bytes.extend(b"TFV \x04\x03\0\0\0");
        bytes.extend([1.0_f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(b"DM \x04\x02\0\0\0\x04\x02\0\0\0");
        bytes.extend([1.0_f64, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(b"<B> ");
        for reader in [&mut text, &mut Reader::new(&bytes)] {
            reader.expect("<A>").unwrap();
            assert_eq!((reader.int().unwrap(), reader.float().unwrap(), reader.bool().unwrap()), (7, -0.5, true));
            assert_eq!(reader.vector().unwrap().values(), [1.0, 2.0, 3.0]);
            let matrix = reader.matrix().unwrap();
            assert_eq!((matrix.shape(), matrix.values()), (&[2, 2][..], &[1.0, 2.0, 3.0, 4.0][..]));
            reader.expect("<B>").unwrap();
            assert!(reader.token().is_err());
        }
    }

    #[test]
    fn claims_beyond_the_file_are_errors() {
        assert!(Reader::new(b"\0BFV \x04\xFF\xFF\xFF\x7F").vector().is_err());
        assert!(Reader::new(b"\0BFV \x04\xFF\xFF\xFF\xFF").vector().is_err());
        assert!(Reader::new(b"\0BFM \x04\xFF\xFF\xFF\x7F\x04\xFF\xFF\xFF\x7F").matrix().is_err());
        assert!(Reader::new(b"\0BCM \x04\x01\0\0\0").matrix().is_err());
        assert!(Reader::new(b" [ 1 2 \n 3 ]").matrix().unwrap_err().to_string().contains("different lengths"));
        assert!(Reader::new(b" [ 1 2 x ]").vector().unwrap_err().to_string().contains("`x` is not a number"));
        assert_eq!(Reader::new(b" [ ]").matrix().unwrap().shape(), [0, 0]);
        assert!(Reader::new(b"\x1b[2J x").token().is_err() && Reader::new(b"a \x07\n").line().is_err());
    }
}
