//! rten.

use std::sync::Arc;

use rten::{Model, ModelOptions, RunOptions, ThreadPool, ValueView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};

use crate::{Network, Result};

/// A network with prepacked weights.
pub(crate) struct Rten {
    model: Model,
    threads: Arc<ThreadPool>,
}

impl Rten {
    pub(crate) fn load(path: &str, threads: usize) -> Result<Self> {
        let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
        Ok(Self { model, threads: Arc::new(ThreadPool::with_num_threads(threads)) })
    }
}

impl Network for Rten {
    fn run(&self, input: &[f32], shape: &[usize]) -> Result<Vec<Vec<f32>>> {
        let input = TensorView::from_data(shape, input);
        let options = RunOptions::default().with_thread_pool(Some(self.threads.clone()));
        let inputs = vec![(self.model.input_ids()[0], ValueView::from(input).into())];
        let outputs = self.model.run(inputs, self.model.output_ids(), Some(options))?;
        outputs.into_iter().map(|value| Ok(Tensor::<f32>::try_from(value)?.to_vec())).collect()
    }
}
