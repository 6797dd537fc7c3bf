//! A microphone with faults on demand, for tests: it stands behind the same trait as a real one.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Clock, Health, Source, SourceError};

/// Blocks a second that the device delivers.
const BLOCKS_PER_SECOND: u32 = 16;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device overwrites its samples before they are read; it tells how many.
    Overrun,
    /// The device hears nothing: zeros.
    Mute,
    /// The device is too loud: full scale.
    Clip,
    /// The device is unplugged.
    Vanish,
    /// The device says nothing at all, not even that something is wrong.
    Stall,
}

/// A fault and when it happens, in samples of the device's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What happens.
    pub fault: Fault,
    /// Its first sample.
    pub at: u64,
    /// For how many samples.
    pub samples: u64,
}

/// The device: hears a sound over and over. It lives on while nobody listens.
#[derive(Debug)]
pub struct FaultyDevice<C> {
    state: Arc<Mutex<State>>,
    clock: C,
}

#[derive(Debug)]
struct State {
    rate_hz: u32,
    sound: Vec<f32>,
    /// In the order of time.
    incidents: Vec<Incident>,
    /// The next sample to deliver.
    position: u64,
    health: Health,
}

impl<C: Clock + Clone> FaultyDevice<C> {
    /// A device that hears `sound` at `rate_hz`, with incidents in the order of time that do not overlap.
    ///
    /// # Panics
    /// Without any sound.
    #[must_use]
    pub fn new(rate_hz: u32, sound: Vec<f32>, incidents: Vec<Incident>, clock: C) -> Self {
        assert!(!sound.is_empty(), "a device hears something");
        let health = Health::default();
        let state = State { rate_hz, sound, incidents, position: 0, health };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// Listens to the device. It goes on where its time is now: nobody has heard what was before.
    ///
    /// # Errors
    /// [`SourceError::Device`] while it is unplugged.
    pub fn open(&self) -> Result<FaultySource<C>, SourceError> {
        let mut state = lock(&self.state);
        let now = (self.clock.now().as_secs_f64() * f64::from(state.rate_hz)).round() as u64;
        if state.incident(now).is_some_and(|incident| incident.fault == Fault::Vanish) {
            let (name, reason) = ("faulty".to_owned(), "it is unplugged".to_owned());
            return Err(SourceError::Device { name, reason });
        }
        state.position = state.position.max(now);
        state.health = Health::default();
        let rate_hz = state.rate_hz;
        drop(state);
        let (state, clock) = (Arc::clone(&self.state), self.clock.clone());
        Ok(FaultySource { state, clock, rate_hz, block: Vec::new() })
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn incident(&self, at: u64) -> Option<Incident> {
        let within =
            |incident: &&Incident| (incident.at..incident.at + incident.samples).contains(&at);
        self.incidents.iter().find(within).copied()
    }

    /// Where the incident that is under way ends, or the next one begins.
    fn next_change(&self) -> u64 {
        let ends = self
            .incidents
            .iter()
            .flat_map(|incident| [incident.at, incident.at + incident.samples]);
        ends.filter(|end| *end > self.position).min().unwrap_or(u64::MAX)
    }
}

/// Somebody who listens to a [`FaultyDevice`].
#[derive(Debug)]
pub struct FaultySource<C> {
    state: Arc<Mutex<State>>,
    clock: C,
    rate_hz: u32,
    block: Vec<f32>,
}

impl<C: Clock> Source for FaultySource<C> {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        self.block.clear();
        let mut state = lock(&self.state);
        let incident = state.incident(state.position);
        let most = u64::from((state.rate_hz / BLOCKS_PER_SECOND).max(1));
        let range = state.position..state.next_change().min(state.position + most);
        let (count, fault) = (range.end - range.start, incident.map(|incident| incident.fault));
        if fault == Some(Fault::Vanish) {
            let (name, reason) = ("faulty".to_owned(), "it was unplugged".to_owned());
            return Err(SourceError::Stopped { name, reason });
        }
        self.clock.sleep(Duration::from_secs_f64(count as f64 / f64::from(state.rate_hz)));
        state.position = range.end;
        let len = state.sound.len() as u64;
        match fault {
            Some(Fault::Stall) => {}
            Some(Fault::Overrun) => {
                state.health.lost_samples += count;
                state.health.overruns += u64::from(incident.is_some_and(|i| i.at == range.start));
                self.block.resize(count as usize, 0.0);
            }
            Some(Fault::Mute) => self.block.resize(count as usize, 0.0),
            Some(Fault::Clip) => self.block.resize(count as usize, 1.0),
            _ => self.block.extend(range.map(|at| state.sound[(at % len) as usize])),
        }
        Ok(Some(&self.block))
    }

    fn health(&self) -> Health {
        lock(&self.state).health
    }
}

/// A clock that only moves when somebody waits, as fast as the computer can.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock(Rc<Cell<Duration>>);

impl Clock for SimulatedClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, time: Duration) {
        self.0.set(self.0.get() + time);
    }
}
