//! Times the front-ends, for `tools/bench/frontends.py`, which compares them with other
//! implementations.
//!
//! ```text
//! frontend_times SAMPLES_16K SAMPLES_48K        raw f32
//! ```
//!
//! Each line on standard input is a request: a front-end's name, whose response is the seconds of
//! one run on all samples, on one thread, everything planned and warm; or `resample IN OUT`, two
//! files of raw f32 at 48 and 16 kHz.
#![expect(clippy::print_stdout, reason = "its results")]

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use persona_engine::dsp::kaldi::MelOptions;
use persona_engine::dsp::{
    Activity, ActivityOptions, Fbank, FbankOptions, KaldiMfcc, KaldiMfccOptions, LogMel, LogMelOptions, Resampler,
    SpeechBrainFbank, SpeechBrainFbankOptions, resample,
};

/// Samples of a chunk of 3 s at 16 kHz, the front-ends' input in the engine.
const WINDOW: usize = 48_000;
/// Samples of one block of the decoder.
const BLOCK: usize = 4096;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [slow, fast] = &paths[..] else { return Err("two files of samples were expected".into()) };
    let (slow, fast) = (read(slow)?, read(fast)?);
    let mut frontends = frontends(&slow, &fast)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if let Some((from, to)) = line.strip_prefix("resample ").and_then(|paths| paths.split_once(' ')) {
            let bytes: Vec<u8> = resample(&read(from)?, 48_000, 16_000)?.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(to, bytes)?;
            println!("done");
            continue;
        }
        let (_, run) = frontends.iter_mut().find(|(name, _)| *name == line).ok_or("an unknown front-end")?;
        let began = Instant::now();
        run();
        println!("{}", began.elapsed().as_secs_f64());
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>> {
    Ok(std::fs::read(path)?.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect())
}

type Run<'a> = Box<dyn FnMut() + 'a>;

fn frontends<'a>(slow: &'a [f32], fast: &'a [f32]) -> Result<Vec<(&'static str, Run<'a>)>> {
    let mut out = Vec::with_capacity(slow.len());
    let mut logmel = LogMel::new(LogMelOptions::default())?;
    let mut all: Vec<(&str, Run<'a>)> = vec![("logmel", Box::new(move || logmel.run(slow, &mut out)))];
    for (name, num_bins) in [("kaldi-fbank-23", 23), ("kaldi-fbank-80", 80)] {
        let mel_opts = MelOptions { num_bins, ..Default::default() };
        let (mut fbank, mut out) = (Fbank::new(FbankOptions { mel_opts, ..Default::default() })?, Vec::new());
        all.push((name, Box::new(move || fbank.run(slow, &mut out))));
    }
    let (mut mfcc, mut out) = (KaldiMfcc::new(KaldiMfccOptions::default())?, Vec::new());
    all.push(("kaldi-mfcc", Box::new(move || mfcc.run(slow, &mut out))));
    for (name, n_mels) in [("speechbrain-24", 24), ("speechbrain-80", 80)] {
        let options = SpeechBrainFbankOptions { n_mels, ..Default::default() };
        let (mut fbank, mut out) = (SpeechBrainFbank::new(options)?, Vec::new());
        all.push((name, Box::new(move || fbank.run(slow, &mut out))));
    }
    let mut activity = Activity::new(16_000, ActivityOptions::default())?;
    let judge = move || slow.chunks(WINDOW).for_each(|window| assert!(activity.run(window).frames > 0));
    all.push(("activity", Box::new(judge)));
    let (mut resampler, mut out) = (Resampler::new(48_000, 16_000)?, Vec::with_capacity(fast.len()));
    let convert = move || {
        out.clear();
        fast.chunks(BLOCK).for_each(|block| resampler.process(block, &mut out));
        resampler.finish(&mut out);
    };
    all.push(("resample-48-16", Box::new(convert)));
    Ok(all)
}
