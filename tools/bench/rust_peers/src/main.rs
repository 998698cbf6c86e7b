//! Times an ONNX file in another Rust runtime, for `tools/bench/peers.py`, which compares it with
//! this engine.
//!
//! ```text
//! RUSTFLAGS="-C target-cpu=native" cargo build --release --features candle      candle-onnx needs protoc
//! rust_peers rten|tract|candle MODEL.onnx THREADS
//! ```
//!
//! Each line on standard input requests a run: `INPUT OUTPUT SHAPE BATCH`. INPUT is raw f32 of
//! SHAPE, such as `20,298,80`; the network processes it in batches of BATCH along the first
//! dimension. All outputs are written to OUTPUT as raw f32, one after the other in the graph's
//! order, each over all batches. The response to a line is the seconds that the batches took,
//! without files and plans, or `error: ` and the runtime's message.

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

#[cfg(feature = "candle")]
mod candle;
mod rten;
mod tract;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A loaded network.
trait Network {
    /// Prepares for a shape; not timed.
    fn plan(&mut self, _shape: &[usize]) -> Result<()> {
        Ok(())
    }

    /// Computes all outputs for one input, each in element order.
    fn run(&self, input: &[f32], shape: &[usize]) -> Result<Vec<Vec<f32>>>;
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [runtime, model, threads] = &arguments[..] else {
        return Err("a runtime, a model and a number of threads were expected".into());
    };
    let threads = threads.parse()?;
    let mut network = match load(runtime, model, threads) {
        Ok(network) => network,
        Err(error) => {
            println!("error: {}", in_a_line(&*error));
            return Ok(());
        }
    };
    println!("loaded");
    for line in std::io::stdin().lock().lines() {
        match answer(&mut *network, &line?) {
            Ok(seconds) => println!("{seconds}"),
            Err(error) => println!("error: {}", in_a_line(&*error)),
        }
    }
    Ok(())
}

fn load(runtime: &str, model: &str, threads: usize) -> Result<Box<dyn Network>> {
    Ok(match runtime {
        "rten" => Box::new(rten::Rten::load(model, threads)?),
        "tract" => Box::new(tract::Tract::load(model, threads)?),
        #[cfg(feature = "candle")]
        "candle" => Box::new(candle::Candle::load(model, threads)?),
        _ => return Err(format!("this program was built without {runtime}").into()),
    })
}

/// Runs one request; returns its seconds.
fn answer(network: &mut dyn Network, line: &str) -> Result<f64> {
    let words: Vec<&str> = line.split(' ').collect();
    let [input, output, shape, batch] = words[..] else { return Err("INPUT OUTPUT SHAPE BATCH was expected".into()) };
    let mut shape: Vec<usize> = shape.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let samples: Vec<f32> = std::fs::read(input)?.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect();
    let all: usize = shape.iter().product();
    let whole = shape[0];
    shape[0] = batch.parse()?;
    let piece: usize = shape.iter().product();
    if samples.len() != all || piece == 0 || whole % shape[0] != 0 {
        return Err("the input is not of the shape that was said, or not in whole batches".into());
    }
    network.plan(&shape)?;
    let began = Instant::now();
    let answers = samples.chunks(piece).map(|piece| network.run(piece, &shape)).collect::<Result<Vec<_>>>()?;
    let seconds = began.elapsed().as_secs_f64();
    let in_order = (0..answers[0].len()).flat_map(|output| answers.iter().flat_map(move |piece| &piece[output]));
    std::fs::write(output, in_order.flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(seconds)
}

/// Formats an error and its causes on one line.
fn in_a_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
