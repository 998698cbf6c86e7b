//! Decodes recordings and writes their samples, for `tools/check/formats.py`.
//!
//! ```text
//! decode FILE OUT.f32 [FILE OUT.f32]…
//! ```
//!
//! Writes interleaved little-endian f32 and prints one line for each file: the sample rate, the
//! channels, the frames and the warnings, or `refused` and the reason, separated by tabs.

#![allow(clippy::print_stdout, reason = "a tool of the command line")]

use std::error::Error;
use std::fs;
use std::path::Path;

use persona_engine::audio::{Decoder, Limits};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    for pair in paths.chunks_exact(2) {
        match decoded(Path::new(&pair[0])) {
            Ok((samples, line)) => {
                fs::write(&pair[1], samples)?;
                println!("{line}");
            }
            Err(error) => println!("refused\t{}", error.to_string().replace(['\t', '\n'], " ")),
        }
    }
    Ok(())
}

/// The samples' bytes, and the line that describes them.
fn decoded(path: &Path) -> persona_engine::Result<(Vec<u8>, String)> {
    let mut decoder = Decoder::open(path, &Limits::default())?;
    let (mut bytes, mut frames, mut block) = (Vec::new(), 0, Vec::new());
    loop {
        match decoder.read_block(&mut block)? {
            0 => break,
            count => frames += count,
        }
        bytes.extend(block.iter().flat_map(|x| x.to_le_bytes()));
    }
    let spec = decoder.spec();
    let warnings = decoder.warnings().join("; ");
    Ok((bytes, format!("{}\t{}\t{frames}\t{warnings}", spec.sample_rate_hz, spec.channels)))
}
