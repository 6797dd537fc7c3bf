//! Where branch, gate and shortcut come together.

use models::q8::{Layer, padded};
use models::quant::{Factor, join};
use models::stream::Q15;

use super::{Machine, Values, ValuesMut};

/// A branch times its gate plus a shortcut, with ReLU and pooling: [`models::quant::join`].
#[derive(Clone, Copy, Debug)]
pub struct BatchJoin {
    pub(super) machine: Machine,
    pub(super) branch: Factor,
    pub(super) shortcut: Option<Factor>,
    /// Columns that one column of the output is the largest of.
    pub(super) pool: usize,
    /// The largest value.
    pub(super) limit: u16,
    /// Values of a column, padding included.
    pub(super) column: usize,
}

/// What a join reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Columns of the branch.
    pub branch: Values<'a>,
    /// A column of gates.
    pub gate: Option<&'a [Q15]>,
    /// Columns of the shortcut, as many as of the branch.
    pub shortcut: Option<Values<'a>>,
}

/// A join, what it reads, and where its columns go.
pub(super) struct Join<'a> {
    pub(super) by: &'a BatchJoin,
    pub(super) operands: Operands<'a>,
    pub(super) out: ValuesMut<'a>,
}

impl BatchJoin {
    /// Of so many channels, one column of the output being the largest of `pool`.
    #[must_use]
    pub fn new(layer: &Layer<'_>, channels: usize, pool: usize) -> Self {
        // A shortcut has a factor of its own.
        let shortcut = (layer.shape.outputs > 1).then(|| layer.factor(1));
        Self {
            machine: Machine::detect(),
            branch: layer.factor(0),
            shortcut,
            pool,
            limit: layer.limit,
            column: padded(channels),
        }
    }

    /// Computes as many columns as fit into `out`.
    ///
    /// # Panics
    /// If the operands are too short for them, or there is a shortcut where none belongs or none where one does.
    pub fn columns(&self, operands: Operands<'_>, out: ValuesMut<'_>) {
        assert_eq!(operands.shortcut.is_some(), self.shortcut.is_some(), "shortcuts have factors");
        self.machine.run(Join { by: self, operands, out });
    }
}

impl Join<'_> {
    /// Makes the values one after the other.
    pub(super) fn one_by_one(mut self) {
        let BatchJoin { branch, pool, limit, column: width, .. } = *self.by;
        let Operands { branch: values, gate, shortcut } = self.operands;
        let shortcut = shortcut.zip(self.by.shortcut);
        for column in 0..self.out.len() / width {
            for channel in 0..width {
                let gate = gate.map(|gate| gate[channel]);
                let joined = |position: usize| {
                    let place = position * width + channel;
                    let added = shortcut.map(|(values, factor)| (values.at(place), factor));
                    join((values.at(place), gate, branch), added, limit)
                };
                let positions = column * pool..(column + 1) * pool;
                let largest = positions.map(joined).fold(0, i16::max);
                self.out.set(column * width + channel, largest);
            }
        }
    }
}
