//! One tensor as it lies in a model file, and its values as f32.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;

use crate::error::Result;

/// Type, shape and bytes.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) place: Place<'a>,
}

/// Where a tensor's bytes are.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// In memory.
    Memory(Cow<'a, [u8]>),
    /// In a file that was as long when it was opened.
    File { file: Arc<File>, start: u64, length: usize },
}

impl Stored<'_> {
    /// The values, or `None` for a type that is not read. The header's checks have made the bytes as many as the shape needs.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub(super) fn to_f32(&self) -> Result<Option<Vec<f32>>> {
        let bytes = self.bytes()?;
        Ok(match self.dtype {
            Dtype::F32 => Some(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Dtype::F16 => Some(widened(&bytes, |block| f16::from_le_bytes(*block))),
            Dtype::BF16 => Some(widened(&bytes, |block| bf16::from_le_bytes(*block))),
            _ => None,
        })
    }

    /// As they lie in the file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`](crate::Error::Read) where the file cannot be read any more, or was cut meanwhile.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.place {
            Place::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File { file, start, length } => {
                let mut bytes = vec![0; *length];
                let mut file: &File = file;
                file.seek(SeekFrom::Start(*start))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

/// 16-bit floats as f32, a block after the other: nothing but the result is written to memory.
fn widened<H: Copy + Default>(bytes: &[u8], read: impl Fn(&[u8; 2]) -> H) -> Vec<f32>
where
    [H]: HalfFloatSliceExt,
{
    const BLOCK: usize = 1024;
    let stored = bytes.as_chunks::<2>().0;
    let mut values = vec![0.0; stored.len()];
    for (from, to) in stored.chunks(BLOCK).zip(values.chunks_mut(BLOCK)) {
        let mut block = [H::default(); BLOCK];
        block.iter_mut().zip(from).for_each(|(half, bytes)| *half = read(bytes));
        block[..to.len()].convert_to_f32_slice(to);
    }
    values
}
