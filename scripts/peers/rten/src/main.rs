//! Latency of a model in rten on one thread, as one line of JSON.
//!
//! ```text
//! rten-latency MODEL.onnx RUNS
//! ```

use std::error::Error;
use std::time::Instant;

use rten::{Model, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

/// As many as `runtime bench` runs before it measures.
const WARM_UP_RUNS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, runs] = arguments.as_slice() else { return Err("MODEL.onnx RUNS".into()) };
    let runs: usize = runs.parse()?;
    let model = Model::load_file(model)?;
    let input = *model.input_ids().first().ok_or("the model has no input")?;
    let output = *model.output_ids().first().ok_or("the model has no output")?;
    let shape = model.node_info(input).and_then(|info| info.shape()).ok_or("no shape")?;
    let window = match shape.last() {
        Some(rten::Dimension::Fixed(window)) => *window,
        _ => return Err("the window has no fixed length".into()),
    };
    let mut state = 1u32;
    let noise = (0..window).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.1 * state.cast_signed() as f32 / i32::MAX as f32
    });
    let samples = NdTensor::from_data([1, 1, window], noise.collect::<Vec<f32>>());
    let options = RunOptions::default().with_thread_pool(Some(ThreadPool::with_num_threads(1).into()));
    let mut times_ms = Vec::new();
    for _ in 0..WARM_UP_RUNS + runs {
        let start = Instant::now();
        let inputs = vec![(input, samples.view().into())];
        model.run(inputs, &[output], Some(options.clone()))?;
        times_ms.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    let measured = &mut times_ms[WARM_UP_RUNS..];
    measured.sort_by(f64::total_cmp);
    println!("{{\"window_median_ms\": {}}}", measured[measured.len() / 2]);
    Ok(())
}
