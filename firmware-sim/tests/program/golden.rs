//! Recorded runs: what is the same passes, what differs is named.

use std::path::{Path, PathBuf};
use std::process::Command;

use firmware_sim::{Engine, Observer, Part, memory_words};
use models::q8::{Model, Parts};
use models::stream::Q15;

use crate::bench::{Bench, fail, output, program, sound, succeed, write_wav};
use crate::model::parts;

fn record(bench: &Bench, options: &[&str]) -> PathBuf {
    let out = bench.path("run.golden");
    let mut command = program();
    command.arg("record").arg(&bench.model).arg(&bench.recording).arg("--out").arg(&out);
    assert_eq!(succeed(command.args(options)), "");
    out
}

fn check(golden: &Path) -> Command {
    let mut command = program();
    command.arg("check").arg(golden);
    command
}

/// The columns of a layer.
struct Columns(usize, Vec<Vec<i16>>);

impl Observer for Columns {
    fn column(&mut self, layer: usize, _: Part, values: &[i16]) {
        if layer == self.0 {
            self.1.push(values.to_vec());
        }
    }

    fn window(&mut self, _: &[Q15], _: u64) {}
}

fn columns(parts: &Parts, layer: usize) -> Vec<Vec<i16>> {
    let bytes = parts.encode();
    let model = Model::parse(&bytes).unwrap();
    let mut memory = vec![0; memory_words(&model, 81).unwrap()];
    let mut columns = Columns(layer, Vec::new());
    Engine::new(&model, 81, &mut memory).unwrap().push_observed(&sound(), &mut columns);
    columns.1
}

#[test]
fn a_recorded_run_can_be_repeated() {
    let bench = Bench::new();
    let golden = record(&bench, &[]);
    let line = succeed(&mut check(&golden));
    assert!(line.contains("run.golden: the same (windows: 141, events: "), "{line}");
    let bytes = std::fs::read(&golden).unwrap();
    assert_eq!(bytes, std::fs::read(record(&bench, &["--dma", "7"])).unwrap());
    assert!(bytes.len() < 60_000, "{}", bytes.len());
    // Nothing is left beside it.
    assert_eq!(std::fs::read_dir(golden.parent().unwrap()).unwrap().count(), 3);
    succeed(&mut check(&record(&bench, &["--hop", "100"])));
}

#[test]
fn a_changed_weight_is_found_where_it_is() {
    let bench = Bench::new();
    let golden = record(&bench, &[]);
    for (layer, name, outputs, channel) in
        [(0, "stem", 4, 2), (2, "block 2", 8, 3), (4, "block 4", 8, 7), (5, "head", 6, 0)]
    {
        let mut changed = parts();
        let weights = &mut changed.layers[layer].weights;
        let row = weights.len() / outputs;
        for weight in &mut weights[channel * row..(channel + 1) * row] {
            *weight = weight.wrapping_add(90);
        }
        let (was, is) = (columns(&parts(), layer), columns(&changed, layer));
        let first = was.iter().zip(&is).position(|(was, is)| was != is).unwrap();
        let model = bench.write("changed.q8", changed.encode());
        let error = fail(check(&golden).arg("--model").arg(&model));
        let expected = format!(
            "{name} differs from column {first} on, in channel {channel}; the model has changed"
        );
        assert!(error.ends_with(&format!("run.golden: {expected}")), "{error}");
    }
}

#[test]
fn what_lies_behind_the_layers_is_found_too() {
    let bench = Bench::new();
    let golden = record(&bench, &[]);
    let classifier =
        bench.write_model("classifier.q8", |parts| parts.layers[6].biases[1] += 1 << 24);
    let error = fail(check(&golden).arg("--model").arg(&classifier));
    let expected = "run.golden: window 0 (ends at sample 1000) differs first in the posterior of ";
    assert!(error.contains(expected), "{error}");
    let decision = bench.write_model("decision.q8", |parts| parts.decision.suppression = 5_000);
    let error = fail(check(&golden).arg("--model").arg(&decision));
    assert!(error.contains("run.golden: event 1 differs: class "), "{error}");
    let network = bench.write_model("network.q8", |parts| {
        parts.arch.head.channels = 5;
        let (head, classifier) = (&mut parts.layers[5].clone(), &mut parts.layers[6].clone());
        head.weights.truncate(5 * 8);
        head.biases.truncate(5);
        head.factors.truncate(5);
        let len = classifier.weights.len() / 6 * 5;
        classifier.weights.truncate(len);
        (parts.layers[5], parts.layers[6]) = (head.clone(), classifier.clone());
    });
    let error = fail(check(&golden).arg("--model").arg(&network));
    assert!(
        error.ends_with("head has 5 channels, 6 were recorded; the model has changed"),
        "{error}"
    );
    let labels = bench.write_model("labels.q8", |parts| parts.labels[0] = "walk".to_owned());
    let line = succeed(check(&golden).arg("--model").arg(&labels));
    assert!(line.contains("run.golden: the same, though the model has changed ("), "{line}");
}

#[test]
fn several_runs_are_all_checked() {
    let bench = Bench::new();
    let golden = record(&bench, &[]);
    let broken = bench.write("broken.golden", "not one");
    let output = output(check(&broken).arg(&golden));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

#[test]
fn files_that_are_no_recorded_runs_are_told() {
    let bench = Bench::new();
    let golden = record(&bench, &[]);
    let bytes = std::fs::read(&golden).unwrap();
    let error = |bytes: &[u8]| fail(&mut check(&bench.write("x.golden", bytes)));
    let expected = "x.golden: this is no recorded run; `firmware-sim record` writes one";
    assert!(error(b"").ends_with(expected));
    assert!(error(&std::fs::read(&bench.model).unwrap()).ends_with(expected));
    assert!(error(&bytes[..bytes.len() / 2]).ends_with("x.golden: the recorded run is cut short"));
    let mut other = bytes.clone();
    other[1000] ^= 4;
    assert!(error(&other).ends_with("is damaged: its checksum does not match"));
    let mut other = bytes.clone();
    other[4] = 7;
    assert!(error(&other).contains("has format version 7, this program reads version 1"));
    let missing = fail(&mut check(&bench.path("none")));
    assert!(
        missing.ends_with("none: no such file; name a run that `firmware-sim record` has written")
    );
    let model = fail(check(&golden).arg("--model").arg(bench.path("none.q8")));
    assert!(
        model.ends_with(
            "none.q8: no such file; name a model (.q8) that `trainer export` has written"
        )
    );
    std::fs::remove_file(&bench.model).unwrap();
    let beside =
        "model.q8: no such file; put the model of the recorded run there, or name one with --model";
    assert!(fail(&mut check(&golden)).ends_with(beside));
}

#[test]
fn only_short_recordings_are_recorded() {
    let bench = Bench::new();
    let recording = bench.path("other.wav");
    let out = bench.path("other.golden");
    let mut command = program();
    command.arg("record").arg(&bench.model).arg(&recording).arg("--out").arg(&out);
    write_wav(&recording, &vec![100; 40_001], 16_000, 1);
    let expected = "other.wav: is longer than 2.5 s; cut out the part that matters";
    assert!(fail(&mut command).ends_with(expected));
    write_wav(&recording, &[100; 999], 16_000, 1);
    let error = fail(&mut command);
    assert!(error.contains("is shorter than the model's window of 0.06 s"), "{error}");
    assert!(!out.exists());
    write_wav(&recording, &vec![100; 40_000], 16_000, 1);
    succeed(&mut command);
}
