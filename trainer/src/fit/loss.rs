//! What training makes smaller.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Tensor, TensorData};
use models::arch::Task;

use super::batch::Batch;
use crate::evaluate::predict::argmax;

/// The loss of a batch, and how many of its windows the network already decides right: their class, or all of their
/// tags at a threshold of 0.5.
///
/// For classes it is the cross-entropy of the softmax, the mean over the windows; what the targets of hard negatives give to
/// the classes `none` is shared first ([`Batch::share_negatives`]). For tags it is the binary cross-entropy of the
/// sigmoid, the mean over windows and tags.
pub(super) fn loss(
    task: Task,
    logits: Tensor<2>,
    batch: &mut Batch,
    none: &[usize],
    device: &Device,
) -> (Tensor<1>, u64) {
    let [windows, classes] = logits.dims();
    let rows = |values: &Tensor<2>| -> Vec<f32> {
        values.clone().into_data().try_to_vec().expect("f32 logits")
    };
    let targets = |batch: &Batch| {
        let targets = TensorData::new(batch.targets.clone(), [windows, classes]);
        Tensor::<2>::from_data(targets, device)
    };
    match task {
        Task::MultiClass => {
            let log_posteriors = log_softmax(logits, 1);
            let rows = rows(&log_posteriors);
            batch.share_negatives(&rows, none);
            let sum = (log_posteriors * targets(batch)).sum().neg();
            (sum / windows as f32, right_classes(&rows, &batch.classes))
        }
        Task::MultiLabel => {
            let right = right_tags(&rows(&logits), &batch.targets, classes);
            (binary_cross_entropy(logits, targets(batch)), right)
        }
    }
}

/// The binary cross-entropy of the sigmoid of logits, `[B, N]`, with targets of 0 to 1: the mean over all of them.
pub(crate) fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let there = log_sigmoid(logits.clone()) * targets.clone();
    let absent = log_sigmoid(logits.neg()) * (targets.neg() + 1.0);
    (there + absent).mean().neg()
}

/// How many rows have their largest value at the given class.
fn right_classes(rows: &[f32], classes: &[usize]) -> u64 {
    let width = rows.len() / classes.len();
    let rows = rows.chunks_exact(width).zip(classes);
    rows.filter(|(row, class)| argmax(row) == **class).count() as u64
}

/// How many rows of logits lie on the side of 0 on which the targets lie of 0.5, in all places.
fn right_tags(logits: &[f32], targets: &[f32], width: usize) -> u64 {
    let rows = logits.chunks_exact(width).zip(targets.chunks_exact(width));
    let right = |(logits, targets): &(&[f32], &[f32])| {
        logits.iter().zip(*targets).all(|(logit, target)| (*logit > 0.0) == (*target > 0.5))
    };
    rows.filter(right).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Compute;

    fn batch(targets: &[f32], classes: &[usize]) -> Batch {
        let negative = vec![false; classes.len()];
        Batch {
            windows: Vec::new(),
            targets: targets.to_vec(),
            classes: classes.to_vec(),
            negative,
        }
    }

    fn measured(task: Task, logits: &[f32], mut batch: Batch) -> (f32, u64) {
        let device = Compute::cpu().inference_device().clone();
        let rows = batch.classes.len();
        let logits = TensorData::new(logits.to_vec(), [rows, logits.len() / rows]);
        let logits = Tensor::<2>::from_data(logits, &device);
        let (loss, right) = loss(task, logits, &mut batch, &[], &device);
        (loss.into_data().try_to_vec::<f32>().unwrap()[0], right)
    }

    #[test]
    fn classes_exclude_each_other() {
        let (loss, right) = measured(
            Task::MultiClass,
            &[0.0, 0.0, 2.0, 0.0],
            batch(&[1.0, 0.0, 0.0, 1.0], &[0, 1]),
        );
        let expected = (2.0f32.ln() + (1.0 + 2.0f32.exp()).ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        assert_eq!(right, 1);
    }

    #[test]
    fn tags_stand_for_themselves() {
        let posterior = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let logits = [3.0f32, 1.0, -2.0, 0.5];
        let targets = [1.0, 0.9, 0.0, 0.0];
        let (loss, right) = measured(Task::MultiLabel, &logits, batch(&targets, &[0, 0]));
        let term = |(logit, target): (&f32, &f32)| {
            target * posterior(*logit).ln() + (1.0 - target) * (1.0 - posterior(*logit)).ln()
        };
        let expected = -logits.iter().zip(&targets).map(term).sum::<f32>() / 4.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        assert_eq!(right, 1, "both tags of the first window, one of the second");
        let (far, _) = measured(Task::MultiLabel, &[200.0, -200.0], batch(&[0.0, 1.0], &[0]));
        assert!((far - 200.0).abs() < 1e-3, "large logits stay finite: {far}");
    }
}
