//! candle, by candle-onnx.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use candle_onnx::onnx::ModelProto;

use crate::{Network, Result};

/// A network as loaded from its file: candle-onnx interprets the graph, and extracts the weights
/// from it, in every run.
pub(crate) struct Candle {
    model: ModelProto,
    input: String,
    outputs: Vec<String>,
}

impl Candle {
    pub(crate) fn load(path: &str, threads: usize) -> Result<Self> {
        // candle reads the number of threads from the environment, which the caller sets.
        if std::env::var("RAYON_NUM_THREADS").as_deref() != Ok(threads.to_string().as_str()) {
            return Err("candle takes its threads from RAYON_NUM_THREADS".into());
        }
        let model = candle_onnx::read_file(path)?;
        let graph = model.graph.as_ref().ok_or("no graph")?;
        let weights: Vec<&String> = graph.initializer.iter().map(|weight| &weight.name).collect();
        let input = graph.input.iter().find(|input| !weights.contains(&&input.name)).ok_or("no input")?.name.clone();
        let outputs = graph.output.iter().map(|output| output.name.clone()).collect();
        Ok(Self { model, input, outputs })
    }
}

impl Network for Candle {
    fn run(&self, input: &[f32], shape: &[usize]) -> Result<Vec<Vec<f32>>> {
        let input = Tensor::from_slice(input, shape, &Device::Cpu)?;
        let mut values = candle_onnx::simple_eval(&self.model, HashMap::from([(self.input.clone(), input)]))?;
        let mut take = |name| values.remove(name).ok_or("an output is missing");
        self.outputs.iter().map(|name| Ok(take(name)?.flatten_all()?.to_vec1()?)).collect()
    }
}
