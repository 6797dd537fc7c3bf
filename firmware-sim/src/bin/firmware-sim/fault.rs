//! What may go wrong between a microphone and its driver.

use std::collections::VecDeque;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::recording::Interrupt;

/// Most gain or attenuation, in dB.
const MAX_DB: f64 = 120.0;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Every so many-th interrupt is lost.
    Drop(u64),
    /// Every so many-th interrupt is delivered twice.
    Repeat(u64),
    /// Every so many-th interrupt is delivered after the next one.
    Delay(u64),
    /// Samples are amplified by so many dB and limited to 16 bits.
    Clip(f64),
    /// So much is added to every sample, limited to 16 bits.
    Dc(i16),
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let every = |number: &str| number.parse().ok().filter(|every| *every > 0);
        let gain = |number: &str| number.parse().ok().filter(|db: &f64| db.abs() <= MAX_DB);
        let fault = text.split_once(':').and_then(|(name, number)| match name {
            "drop" => every(number).map(Self::Drop),
            "repeat" => every(number).map(Self::Repeat),
            "delay" => every(number).map(Self::Delay),
            "clip" => gain(number).map(Self::Clip),
            "dc" => number.parse().ok().map(Self::Dc),
            _ => None,
        });
        match fault {
            Some(fault) => Ok(fault),
            None => bail!(
                "'{text}' is no fault; write drop:N, repeat:N or delay:N (N from 1), clip:DB (up to {MAX_DB}) or dc:OFFSET (16 bits)"
            ),
        }
    }
}

/// Faults in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct Faults {
    stages: Vec<Stage>,
}

/// A fault and what it remembers.
#[derive(Debug)]
struct Stage {
    fault: Fault,
    /// Interrupts so far.
    count: u64,
    /// The one that waits for the next.
    held: Option<Interrupt>,
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let stages = faults.iter().map(|fault| Stage { fault: *fault, count: 0, held: None });
        Self { stages: stages.collect() }
    }

    /// What is delivered when this interrupt should be.
    pub(crate) fn pass(&mut self, interrupt: Interrupt) -> VecDeque<Interrupt> {
        Self::through(&mut self.stages, VecDeque::from([interrupt]))
    }

    /// What is delivered when no other interrupt comes.
    pub(crate) fn finish(&mut self) -> VecDeque<Interrupt> {
        let mut delivered = VecDeque::new();
        for index in 0..self.stages.len() {
            let (stage, later) = self.stages[index..].split_at_mut(1);
            let held = stage[0].held.take().into_iter().collect();
            delivered.extend(Self::through(later, held));
        }
        delivered
    }

    fn through(stages: &mut [Stage], mut queue: VecDeque<Interrupt>) -> VecDeque<Interrupt> {
        for stage in stages {
            for _ in 0..queue.len() {
                if let Some(interrupt) = queue.pop_front() {
                    stage.pass(interrupt, &mut queue);
                }
            }
        }
        queue
    }
}

impl Stage {
    fn pass(&mut self, mut interrupt: Interrupt, out: &mut VecDeque<Interrupt>) {
        self.count += 1;
        let due = |every| self.count.is_multiple_of(every);
        match self.fault {
            Fault::Drop(every) if due(every) => return,
            Fault::Repeat(every) if due(every) => out.push_back(interrupt.clone()),
            // While one waits, the next is not delayed.
            Fault::Delay(every) if due(every) && self.held.is_none() => {
                self.held = Some(interrupt);
                return;
            }
            Fault::Clip(db) => {
                let gain = 10f64.powf(db / 20.0);
                // A float is limited to the range of the integer it is cast to.
                let amplify = |sample: i16| (f64::from(sample) * gain).round() as i16;
                interrupt.samples.iter_mut().for_each(|sample| *sample = amplify(*sample));
            }
            Fault::Dc(offset) => {
                let shift = |sample: &mut i16| *sample = sample.saturating_add(offset);
                interrupt.samples.iter_mut().for_each(shift);
            }
            _ => {}
        }
        out.push_back(interrupt);
        out.extend(self.held.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which seven interrupts of one sample arrive.
    fn order(specs: &[&str]) -> Vec<u64> {
        let faults: Vec<Fault> = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        let mut faults = Faults::new(&faults);
        let interrupt = |sample| Interrupt { sample, samples: vec![0] };
        let mut found: Vec<u64> =
            (1..=7).flat_map(|i| faults.pass(interrupt(i))).map(|i| i.sample).collect();
        found.extend(faults.finish().into_iter().map(|i| i.sample));
        found
    }

    #[test]
    fn every_so_many_th_interrupt_goes_wrong() {
        assert_eq!(order(&[]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(order(&["drop:3"]), [1, 2, 4, 5, 7]);
        assert_eq!(order(&["repeat:3"]), [1, 2, 3, 3, 4, 5, 6, 6, 7]);
        assert_eq!(order(&["delay:3"]), [1, 2, 4, 3, 5, 7, 6]);
        assert_eq!(order(&["delay:7"]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(order(&["delay:1"]), [2, 1, 4, 3, 6, 5, 7]);
        assert!(order(&["drop:1"]).is_empty());
        assert_eq!(order(&["repeat:3", "drop:4"]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(order(&["delay:7", "repeat:7"]), [1, 2, 3, 4, 5, 6, 7, 7]);
    }

    #[test]
    fn samples_are_limited_to_16_bits() {
        let faults = ["clip:20".parse().unwrap(), "dc:-100".parse().unwrap()];
        let interrupt = Interrupt { sample: 0, samples: vec![0, 5, 4_000, -4_000] };
        let delivered = Faults::new(&faults).pass(interrupt);
        assert_eq!(delivered[0].samples, [-100, -50, 32_667, -32_768]);
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for text in ["", "drop", "drop:", "drop:0", "drop:-1", "clip:nan", "clip:1e9", "dc:40000"] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{text}' is no fault; ")), "{error}");
        }
    }
}
