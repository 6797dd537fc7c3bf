//! Time of a model in rten on one thread, as one line of JSON.
//!
//! ```text
//! rten-latency MODEL.onnx RUNS RECORDING.wav HOP
//! ```
//!
//! Takes windows of the recording (WAV, 16 bit, mono, at the model's rate, with the plain header), one every HOP samples, from
//! its beginning again when it is over.

use std::error::Error;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rten::{Model, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

/// As many as `runtime bench` runs before it measures.
const WARM_UP_RUNS: usize = 10;
/// Bytes before the samples of a recording.
const HEADER_LEN: usize = 44;
/// Longer than a thread without work looks for some.
const NAP: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, runs, recording, hop] = arguments.as_slice() else {
        return Err("MODEL.onnx RUNS RECORDING.wav HOP".into());
    };
    let (runs, hop): (usize, usize) = (runs.parse()?, hop.parse()?);
    let sound = samples(recording)?;
    let model = Model::load_file(model)?;
    let input = *model.input_ids().first().ok_or("the model has no input")?;
    let output = *model.output_ids().first().ok_or("the model has no output")?;
    let shape = model.node_info(input).and_then(|info| info.shape()).ok_or("no shape")?;
    let window = match shape.last() {
        Some(rten::Dimension::Fixed(window)) => *window,
        _ => return Err("the window has no fixed length".into()),
    };
    let places = (sound.len() + 1).checked_sub(window).filter(|places| *places > 0);
    let places = places.ok_or("the recording is shorter than a window")?;
    let options =
        RunOptions::default().with_thread_pool(Some(ThreadPool::with_num_threads(1).into()));
    let run = |index: usize| -> Result<f64, Box<dyn Error>> {
        let from = index * hop % places;
        let samples = NdTensor::from_data([1, 1, window], sound[from..from + window].to_vec());
        let start = Instant::now();
        let inputs = vec![(input, samples.view().into())];
        model.run(inputs, &[output], Some(options.clone()))?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    };
    for index in 0..WARM_UP_RUNS {
        run(index)?;
    }
    let before = cpu_ns();
    let mut times_ms = Vec::new();
    for index in WARM_UP_RUNS..WARM_UP_RUNS + runs {
        times_ms.push(run(index)?);
    }
    let spent = cpu_ns().zip(before).map(|(after, before)| after.saturating_sub(before));
    let cpu_ms = spent.map(|ns| (ns as f64 / 1e6 / runs as f64).to_string());
    times_ms.sort_by(f64::total_cmp);
    println!(
        "{{\"window_median_ms\": {}, \"window_cpu_ms\": {}}}",
        times_ms[times_ms.len() / 2],
        cpu_ms.unwrap_or_else(|| "null".to_owned())
    );
    Ok(())
}

/// The samples of a recording, from -1 to 1.
fn samples(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    match bytes.split_at_checked(HEADER_LEN) {
        Some((header, data)) if &header[HEADER_LEN - 8..HEADER_LEN - 4] == b"data" => {
            let samples = data.as_chunks::<2>().0.iter();
            Ok(samples.map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0).collect())
        }
        _ => Err(format!("{path} is no WAV file with the plain header").into()),
    }
}

/// How long all threads of this process have had a processor, in nanoseconds; only Linux tells without C. It counts a
/// thread's time when the thread stops, so that all of them rest before.
fn cpu_ns() -> Option<u64> {
    thread::sleep(NAP);
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let told = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        sum += told.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}
