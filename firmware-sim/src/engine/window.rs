//! What is computed for each window: the right edges of shared levels, and everything behind them.

use models::arch::Task;
use models::q8::padded;
use models::quant::{self, requantize};
use models::stream::Q15;

use super::level::Level;
use super::network::{Network, Scratch};
use super::observer::{Observer, Part};
use crate::kernel::{self, Reach};

impl Network<'_, '_> {
    /// A window's posteriors, once its last sample is in. Those of a quiet one are 0, whatever its columns.
    pub(super) fn finish(&mut self, quiet: bool, observer: &mut impl Observer) -> &[Q15] {
        if quiet {
            if self.shares() {
                self.levels[self.shared - 1].drop_left();
            }
            self.scratch.posteriors.fill(0);
            return self.scratch.posteriors;
        }
        if self.shares() {
            for level in 1..self.shared {
                let newest = self.levels[level - 1].newest(true);
                for column in self.levels[level].right()..self.levels[level].len() {
                    let place = Some(self.levels[level].right_place(column));
                    self.window_column(level - 1, column, newest, Part::Edge, place, observer);
                }
            }
            self.tail(None, observer);
            self.levels[self.shared - 1].drop_left();
        }
        let Scratch { logits, posteriors, .. } = &mut self.scratch;
        let classifier = self.model.layers().last().expect("networks end in a classifier");
        for (class, logit) in logits.iter_mut().enumerate() {
            *logit = requantize(*logit, classifier.factor(class));
        }
        match self.model.arch().task {
            Task::MultiClass => quant::softmax(logits, posteriors),
            Task::MultiLabel => quant::sigmoid(logits, posteriors),
        }
        posteriors
    }

    /// The sums of the classifier for a window of which nothing is shared.
    pub(super) fn whole(&mut self, window: &[i16], observer: &mut impl Observer) {
        self.tail(Some(window), observer);
    }

    /// Everything behind the shared levels, up to the sums of the classifier: always the deepest
    /// layer that has its inputs, so that no layer needs to keep more than one reach of columns.
    fn tail(&mut self, window: Option<&[i16]>, observer: &mut impl Observer) {
        let classifier = self.model.layers().last().expect("networks end in a classifier");
        for (class, sum) in self.scratch.logits.iter_mut().enumerate() {
            *sum = classifier.bias(class);
        }
        let first = self.shared;
        let last = self.levels.len() - 1;
        self.levels[first..].iter_mut().for_each(Level::restart);
        if first > last {
            self.shared_features(observer);
            return;
        }
        let deepest = |network: &Self| (first..=last).rev().find(|level| network.ready(*level));
        while let Some(level) = deepest(self) {
            let column = self.levels[level].made();
            self.levels[level].make();
            // The head reads what the last block makes at once.
            let place = (level < last).then(|| self.levels[level].next_place());
            match (level.checked_sub(1), window) {
                (None, Some(window)) => {
                    let stem = &self.model.arch().stem;
                    let start = column * usize::from(stem.stride);
                    let samples = &window[start..start + usize::from(stem.kernel)];
                    self.stem_column(samples, Part::Tail, place, observer);
                }
                (None, None) => unreachable!("the stem is shared unless there is a window"),
                (Some(input), _) => {
                    let newest = self.levels[input].newest(input < first);
                    self.window_column(input, column, newest, Part::Tail, place, observer);
                }
            }
            if level == last {
                self.head(column, observer);
            }
        }
    }

    /// Head and classifier where all blocks are shared.
    fn shared_features(&mut self, observer: &mut impl Observer) {
        let last = self.levels.len() - 1;
        let reach = Reach { taps: 1, pool: 1, step: padded(self.outputs(last)) };
        for column in 0..self.levels[last].len() {
            let newest = self.levels[last].newest(true);
            let first = column as isize;
            let patch = &mut *self.scratch.patch;
            self.levels[last].gather(self.columns, first, newest, &reach, patch);
            self.head_of_patch(column, observer);
        }
    }

    /// Whether the next column of a level behind the shared ones can be computed.
    fn ready(&self, level: usize) -> bool {
        let column = self.levels[level].made();
        if column == self.levels[level].len() {
            return false;
        }
        if level == self.shared {
            return true;
        }
        let block = self.block(level - 1);
        let (_, after) = block.padding();
        let input = &self.levels[level - 1];
        let newest = (column + 1) * usize::from(block.pool) - 1 + after;
        newest.min(input.len() - 1) < input.made()
    }

    /// Head and classifier for one column, which lies in the scratch.
    fn head(&mut self, column: usize, observer: &mut impl Observer) {
        let channels = self.outputs(self.levels.len() - 1);
        let Scratch { patch, column: values, .. } = &mut self.scratch;
        kernel::load(&values[..channels], patch);
        self.head_of_patch(column, observer);
    }

    fn head_of_patch(&mut self, column: usize, observer: &mut impl Observer) {
        let head = self.levels.len();
        let step = padded(self.outputs(head - 1));
        self.convolve(head, &Reach { taps: 1, pool: 1, step }, Part::Tail, None, observer);
        let channels = self.outputs(head);
        let Scratch { patch, column: values, logits, sums, .. } = &mut self.scratch;
        kernel::load(&values[..channels], patch);
        let classifier = &self.model.layers()[head + 1];
        kernel::accumulate(classifier, column * padded(channels), patch, sums, logits);
    }
}
