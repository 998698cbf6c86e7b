//! CTranslate2's `model.bin`, version 6 of the format.
//!
//! ```text
//! u32 version, text specification, u32 its revision, u32 number of variables
//! variable: text name, u8 axes, u32 size of each, u8 type, u32 bytes, the values
//! u32 number of aliases, two texts each                        (not needed)
//! text: u16 length with the final 0, bytes, 0                  all integers little-endian
//! ```

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::Dtype;

use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::nn::weights::open_regular;

/// The supported version.
const VERSION: u32 = 6;
/// The specification of Whisper's models.
const SPECIFICATION: &str = "WhisperSpec";
/// Maximum number of axes of a variable.
const MAX_AXES: u8 = 8;

/// What the importer needs of a file.
pub(super) struct File<'a> {
    /// The floating-point variables of the encoder.
    pub(super) weights: Weights<'a>,
    /// Attention heads of the encoder.
    pub(super) heads: Option<usize>,
}

/// Whether a file begins like a model of CTranslate2: a small version, then a text that ends in
/// `Spec`. No other supported file does.
pub(super) fn is_model(path: &Path) -> Result<bool> {
    let mut first = Vec::new();
    open_regular(path)?.0.take(64).read_to_end(&mut first)?;
    let mut reader = Reader { rest: &first };
    let version = reader.u32();
    let name = reader.text();
    Ok(matches!((version, name), (Ok(1..=255), Ok(name)) if name.ends_with("Spec")))
}

/// Reads a model.
///
/// # Errors
///
/// [`Error::Unsupported`] for another version or specification, and for quantised weights;
/// [`Error::Malformed`] for a file that ends early.
pub(super) fn read(bytes: &[u8]) -> Result<File<'_>> {
    let mut reader = Reader { rest: bytes };
    let (version, specification) = (reader.u32()?, reader.text()?);
    if version != VERSION || specification != SPECIFICATION {
        let expected = format!("only version {VERSION} of {SPECIFICATION} is supported");
        return Err(Error::Unsupported(format!("CTranslate2 {specification}, format version {version}; {expected}")));
    }
    reader.u32()?;
    let (mut tensors, mut heads) = (Vec::new(), None);
    for _ in 0..reader.u32()? {
        let Variable { name, kind, shape, values } = reader.variable()?;
        if !name.starts_with("encoder/") {
            continue;
        }
        match (kind, values) {
            (0, values) => tensors.push((name, Dtype::F32, shape, Cow::Borrowed(values))),
            (4, values) => tensors.push((name, Dtype::F16, shape, Cow::Borrowed(values))),
            (2, &[low, high]) if name == "encoder/num_heads" => {
                heads = Some(usize::from(u16::from_le_bytes([low, high])));
            }
            _ if shape.is_empty() => {}
            _ => {
                let what = format!("CTranslate2 variable `{name}` is quantised; convert the model to float16");
                return Err(Error::Unsupported(what));
            }
        }
    }
    Ok(File { weights: Weights::from_tensors(tensors)?, heads })
}

/// A variable of the file.
struct Variable<'a> {
    name: String,
    kind: u8,
    shape: Vec<usize>,
    values: &'a [u8],
}

/// The bytes that are not read yet.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let early = || Error::malformed("CTranslate2 model", "ends early");
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or_else(early)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = u16::from_le_bytes(self.array()?);
        let bytes = self.bytes(usize::from(length))?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn variable(&mut self) -> Result<Variable<'a>> {
        let (name, [axes]) = (self.text()?, self.array()?);
        if axes > MAX_AXES {
            return Err(Error::malformed("CTranslate2 model", format!("`{name}` has {axes} axes")));
        }
        let shape = (0..axes).map(|_| Ok(self.u32()? as usize)).collect::<Result<_>>()?;
        let [kind] = self.array()?;
        let count = self.u32()? as usize;
        Ok(Variable { name, kind, shape, values: self.bytes(count)? })
    }
}
