//! Input descriptors of nodes: `Append(Offset(input, -2), input, Offset(input, 2))`.

use super::errors::malformed;
use crate::error::{Error, Result};

/// Maximum nesting.
const MAX_DEPTH: usize = 20;
/// Maximum number of frames of one input.
const MAX_FRAMES: usize = 1_000;

/// A node, and the offsets of its frames that are appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) node: String,
    pub(super) context: Vec<i32>,
}

/// Parses a descriptor of `Append`, `Offset` and `Round`. `Round(x, n)` concerns only which frames
/// are computed and equals `x`.
///
/// # Errors
///
/// [`Error::Unsupported`] names another function, or several appended nodes.
pub(super) fn parse(text: &str) -> Result<Input> {
    let mut parser = Parser { rest: text };
    let frames = parser.descriptor(0)?;
    if !parser.rest.trim().is_empty() {
        return Err(malformed(format!("`{}` after an input", parser.rest.trim().escape_debug())));
    }
    let node = frames.first().map(|(node, _)| node.clone()).unwrap_or_default();
    if frames.iter().any(|(other, _)| *other != node) {
        return Err(Error::Unsupported(format!("an input of several nodes: `{}`", text.escape_debug())));
    }
    Ok(Input { node, context: frames.into_iter().map(|(_, offset)| offset).collect() })
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn word(&mut self) -> Result<&'t str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| "(),".contains(c) || c.is_whitespace()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Err(malformed("an input that ends early")) } else { Ok(word) }
    }

    /// Consumes this character if it comes next.
    fn takes(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.takes(sign) { Ok(()) } else { Err(malformed(format!("an input without `{sign}`"))) }
    }

    fn number(&mut self) -> Result<i32> {
        let word = self.word()?;
        word.parse().map_err(|_| malformed(format!("`{}` as a number of frames", word.escape_debug())))
    }

    fn descriptor(&mut self, depth: usize) -> Result<Vec<(String, i32)>> {
        let word = self.word()?;
        if depth > MAX_DEPTH {
            return Err(malformed("an input that is nested too deeply"));
        }
        if !self.takes('(') {
            return Ok(vec![(word.to_owned(), 0)]);
        }
        let mut frames = self.descriptor(depth + 1)?;
        match word {
            "Append" => {
                while self.takes(',') {
                    frames.extend(self.descriptor(depth + 1)?);
                    if frames.len() > MAX_FRAMES {
                        return Err(malformed(format!("an input of more than {MAX_FRAMES} frames")));
                    }
                }
            }
            "Offset" => {
                self.expect(',')?;
                let by = self.number()?;
                for (_, offset) in &mut frames {
                    *offset = offset.checked_add(by).ok_or_else(|| malformed("an offset that is too large"))?;
                }
            }
            "Round" => {
                self.expect(',')?;
                self.number()?;
            }
            other => return Err(Error::Unsupported(format!("an input by the function `{}`", other.escape_debug()))),
        }
        self.expect(')')?;
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_offsets_of_one_node() {
        let input = |text| parse(text).unwrap();
        assert_eq!(input("tdnn1.relu"), Input { node: "tdnn1.relu".into(), context: vec![0] });
        assert_eq!(input("Append(Offset(a, -2), a, Offset(a, 2))").context, [-2, 0, 2]);
        assert_eq!(input("Offset(Append(Offset(a,-1),a), 3)").context, [2, 3]);
        assert_eq!(input("Round(stats, 1)").node, "stats");
    }

    #[test]
    fn unknown_functions_are_named() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("Sum(a, b)").contains("`Sum`"));
        assert!(message("Append(a, b)").contains("several nodes"));
        assert!(message(&"Append(".repeat(100)).contains("deeply"));
        for text in
            ["", "Append(a", "Offset(a)", "Offset(a, x)", "Offset(Offset(a, 2147483647), 1)", "a b", "Round(a, )"]
        {
            assert!(!message(text).is_empty(), "{text}");
        }
    }
}
