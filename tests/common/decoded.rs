//! A recording decoded to the end, for tests of the decoders.

use std::io::Read;
use std::path::Path;

use persona_engine::Result;
use persona_engine::audio::{Decoder, Limits, Spec};

/// All samples of a recording, with what its headers state.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Interleaved: `[frames, channels]`.
    pub(crate) samples: Vec<f32>,
    pub(crate) spec: Spec,
    pub(crate) warnings: Vec<String>,
}

impl Decoded {
    /// Decodes a file with default limits.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::collect(Decoder::open(path, &Limits::default())?)
    }

    /// Decodes a stream.
    pub(crate) fn read(reader: impl Read + Send + Sync + 'static, limits: &Limits) -> Result<Self> {
        Self::collect(Decoder::new(reader, limits)?)
    }

    pub(crate) fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.spec.channels)
    }

    /// Decodes to the end.
    pub(crate) fn of(decoder: Decoder) -> Result<Self> {
        Self::collect(decoder)
    }

    fn collect(mut decoder: Decoder) -> Result<Self> {
        let (mut samples, mut block) = (Vec::new(), Vec::new());
        while decoder.read_block(&mut block)? > 0 {
            samples.extend_from_slice(&block);
        }
        Ok(Self { samples, spec: decoder.spec().clone(), warnings: decoder.warnings().to_vec() })
    }
}
