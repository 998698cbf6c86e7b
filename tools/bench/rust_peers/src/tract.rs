//! tract.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::{Network, Result};

/// A network, optimised for each input shape, because tract optimises better for fixed shapes.
pub(crate) struct Tract {
    path: String,
    plans: HashMap<Vec<usize>, Arc<TypedRunnableModel>>,
}

impl Tract {
    pub(crate) fn load(path: &str, threads: usize) -> Result<Self> {
        if threads != 1 {
            return Err("tract is run in one thread alone".into());
        }
        Ok(Self { path: path.into(), plans: HashMap::new() })
    }
}

impl Network for Tract {
    fn plan(&mut self, shape: &[usize]) -> Result<()> {
        if !self.plans.contains_key(shape) {
            let model = tract_onnx::onnx().model_for_path(&self.path)?.with_input_fact(0, f32::fact(shape).into())?;
            self.plans.insert(shape.into(), model.into_optimized()?.into_runnable()?);
        }
        Ok(())
    }

    fn run(&self, input: &[f32], shape: &[usize]) -> Result<Vec<Vec<f32>>> {
        let outputs = self.plans[shape].run(tvec!(Tensor::from_shape(shape, input)?.into()))?;
        outputs.iter().map(|output| Ok(output.to_plain_array_view::<f32>()?.iter().copied().collect())).collect()
    }
}
