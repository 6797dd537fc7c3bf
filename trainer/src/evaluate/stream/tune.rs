//! Chooses smoothing, minimum count, release, suppression and one threshold a class for a wanted rate of false
//! accepts.

use models::meta::DecisionDefaults;
use models::stream::SettingsError;

use super::curves::{self, Curve};
use super::streams::{Measured, Streams};

/// Windows averaged that are tried.
const SMOOTHING: [u16; 7] = [1, 2, 3, 4, 5, 6, 8];
/// Minimum counts that are tried with the best suppression and little smoothing: they are another way to outlast
/// short peaks.
const MIN_COUNT: [u16; 3] = [2, 3, 4];
const SMOOTHING_OF_COUNTS: [u16; 3] = [1, 2, 3];
/// Releases that are tried with the best of all that.
const RELEASE: [f32; 2] = [0.75, 0.5];
/// Suppression that is tried, in milliseconds.
const SUPPRESSION_MS: [u64; 3] = [500, 1000, 1500];
/// A rise of all thresholds where classes interfere, in one step.
const RISE: f32 = 0.005;
/// The highest threshold.
const HIGHEST: f32 = 0.995;
/// How far the thresholds of the classes are drawn to the one that all could share. What a class needs for itself is found
/// on few commands and fewer false accepts, and holds less of other speakers than of these (docs/STREAMING.md).
const SHRINKAGE: f32 = 0.7;
/// Rises at most: from the lowest threshold to the highest.
const LONGEST_RISE: usize = 200;

/// Settings, and what they give on the streams that they were chosen on.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The settings.
    pub decision: DecisionDefaults,
    /// What they give.
    pub measured: Measured,
    /// False accepts that the wanted rate allows in the hours there are.
    pub allowed: u64,
}

impl Choice {
    fn false_accepts(&self) -> u64 {
        self.measured.rate(None).count
    }

    /// The better choice is the larger: allowed first, then commands heard, false accepts, other events
    /// among the commands, and speed of the decision.
    fn rank(&self, streams: &Streams) -> (bool, i64, i64, i64, i64) {
        let less = |count: u64| -i64::try_from(count).unwrap_or(i64::MAX);
        let hits: u64 = curves::hits(streams, &self.measured).iter().map(|share| share.hits).sum();
        let fits = self.false_accepts() <= self.allowed;
        let others = less(self.measured.matched.others.len() as u64);
        let misses = if fits { -less(hits) } else { less(self.false_accepts()) };
        let slow = less(u64::from(self.decision.smoothing) + u64::from(self.decision.min_count));
        (fits, misses, less(self.false_accepts()), others, slow)
    }
}

/// The settings that miss the fewest commands while the false accepts on the streams stay within the
/// wanted rate; where none do, those with the fewest false accepts. `progress` is told how many settings
/// of how many are done.
///
/// # Errors
/// Settings of the model that no detector can work with.
pub fn tune(
    streams: &Streams,
    decision: &DecisionDefaults,
    wanted_per_hour: f64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Choice, SettingsError> {
    let rate_hz = u64::from(streams.positives.track.rate_hz);
    let start = streams.measure(decision)?;
    let allowed = (wanted_per_hour * start.rate(None).hours).floor() as u64;
    let mut best = Choice { decision: decision.clone(), measured: start, allowed };
    let (mut done, all) = (0, TRIED);
    let mut try_all = |best: &mut Choice, tried: Vec<DecisionDefaults>| {
        for settings in tried {
            let choice = with_thresholds(streams, settings, allowed)?;
            if choice.rank(streams) > best.rank(streams) {
                *best = choice;
            }
            done += 1;
            progress(done, all);
        }
        Ok::<(), SettingsError>(())
    };
    let plain = DecisionDefaults { min_count: 1, release: 1.0, ..decision.clone() };
    let suppressions = SUPPRESSION_MS.map(|ms| (ms * rate_hz / 1000) as u32);
    let grid = SMOOTHING.into_iter().flat_map(|smoothing| {
        suppressions.map(|suppression| DecisionDefaults { smoothing, suppression, ..plain.clone() })
    });
    try_all(&mut best, grid.collect())?;
    let counts = MIN_COUNT.into_iter().flat_map(|min_count| {
        let settings =
            |smoothing| DecisionDefaults { smoothing, min_count, ..best.decision.clone() };
        SMOOTHING_OF_COUNTS.map(settings)
    });
    let counts = counts.collect();
    try_all(&mut best, counts)?;
    let releases = RELEASE.map(|release| DecisionDefaults { release, ..best.decision.clone() });
    try_all(&mut best, releases.into())?;
    Ok(best)
}

/// Settings that are tried.
const TRIED: usize = SMOOTHING.len() * SUPPRESSION_MS.len()
    + MIN_COUNT.len() * SMOOTHING_OF_COUNTS.len()
    + RELEASE.len();

/// The best thresholds for a smoothing and a suppression.
fn with_thresholds(
    streams: &Streams,
    mut decision: DecisionDefaults,
    allowed: u64,
) -> Result<Choice, SettingsError> {
    let averaged = streams.average(&decision)?;
    let curve = curves::sweep(&averaged, &decision)?;
    let shared = shared(&curve, allowed);
    for (slot, own) in decision.thresholds.iter_mut().zip(allot(&curve, allowed)) {
        *slot = slot.map(|_| thousandths(own + SHRINKAGE * (shared - own)));
    }
    let mut choice = Choice { measured: averaged.measure(&decision)?, decision, allowed };
    // What one class no longer takes another may: classes share the largest posterior and the pause after
    // an event.
    for _ in 0..LONGEST_RISE {
        if choice.false_accepts() <= allowed {
            break;
        }
        let guilty = curves::false_accepts(streams, &choice.measured);
        let slots = choice.decision.thresholds.iter_mut().zip(guilty);
        for (slot, _) in slots.filter(|(_, count)| *count > 0) {
            *slot = slot.map(|threshold| thousandths(threshold + RISE));
        }
        choice.measured = averaged.measure(&choice.decision)?;
    }
    Ok(choice)
}

fn thousandths(threshold: f32) -> f32 {
    ((threshold * 1000.0).round() / 1000.0).min(HIGHEST)
}

/// One threshold a class such that the most commands are detected with at most `allowed` false accepts in
/// all classes together, as far as classes do not interfere. Of thresholds that are equally good the one in
/// the middle.
fn allot(curve: &Curve, allowed: u64) -> Vec<f32> {
    let total: u64 =
        curve.points.first().map_or(0, |point| point.false_accepts.iter().sum::<u64>());
    let budget = allowed.min(total) as usize;
    // `hits[spent]`: the most commands of the classes so far; `spends[class][spent]`: what the class spends.
    let (mut hits, mut spends) = (vec![0; budget + 1], Vec::new());
    let classes = curve.commands.len();
    for class in 0..classes {
        let gains: Vec<u64> = (0..=budget).map(|spend| best(curve, class, spend).1).collect();
        let of = |spent: usize| {
            let ways = (0..=spent).map(|spend| (hits[spent - spend] + gains[spend], spend));
            // Of equals the cheapest.
            ways.max_by_key(|(sum, spend)| (*sum, std::cmp::Reverse(*spend))).unwrap_or_default()
        };
        let row: Vec<(u64, usize)> = (0..=budget).map(of).collect();
        hits = row.iter().map(|(sum, _)| *sum).collect();
        spends.push(row.into_iter().map(|(_, spend)| spend).collect::<Vec<usize>>());
    }
    let mut left = budget;
    let mut thresholds = vec![0.0; classes];
    for class in (0..classes).rev() {
        let spend = spends[class][left];
        thresholds[class] = best(curve, class, spend).0;
        left -= spend;
    }
    thresholds
}

/// The lowest threshold with at most `allowed` false accepts, were it that of all classes.
fn shared(curve: &Curve, allowed: u64) -> f32 {
    let too_many = |point: &curves::Point| point.false_accepts.iter().sum::<u64>() > allowed;
    let lowest = curve.points.iter().rposition(too_many).map_or(0, |last| last + 1);
    curve.points.get(lowest).map_or(HIGHEST, |point| point.threshold)
}

/// The threshold at which a class detects most with at most `spend` false accepts, and how many.
fn best(curve: &Curve, class: usize, spend: usize) -> (f32, u64) {
    let cheap = |point: &&curves::Point| point.false_accepts[class] <= spend as u64;
    let fitting: Vec<&curves::Point> = curve.points.iter().filter(cheap).collect();
    let most = fitting.iter().map(|point| point.hits[class]).max().unwrap_or(0);
    let equals: Vec<f32> =
        fitting.iter().filter(|p| p.hits[class] == most).map(|point| point.threshold).collect();
    (equals.get(equals.len() / 2).copied().unwrap_or(HIGHEST), most)
}

#[cfg(test)]
mod tests {
    use super::super::curves::Point;
    use super::super::listen::Posteriors;
    use super::super::streams::Listened;
    use super::super::track::{Kind, Span, Track};
    use super::*;
    use models::stream::from_f32;

    fn point(threshold: f32, hits: [u64; 2], false_accepts: [u64; 2]) -> Point {
        Point { threshold, hits: hits.into(), false_accepts: false_accepts.into() }
    }

    #[test]
    fn false_accepts_are_spent_where_they_gain_most() {
        let points = vec![
            point(0.2, [10, 10], [5, 5]),
            point(0.4, [9, 10], [1, 4]),
            point(0.6, [5, 9], [1, 0]),
            point(0.8, [4, 9], [0, 0]),
            point(0.9, [4, 9], [0, 0]),
        ];
        let curve = Curve { commands: vec![10, 10], hours: 1.0, points };
        assert_eq!(allot(&curve, 0), [0.9, 0.8]);
        assert_eq!(allot(&curve, 1), [0.4, 0.8]);
        assert_eq!(allot(&curve, 10), [0.2, 0.4]);
        assert_eq!(
            [0, 1, 4, 5, 10].map(|allowed| shared(&curve, allowed)),
            [0.8, 0.6, 0.6, 0.4, 0.2]
        );
    }

    /// A track of single windows without overlap, each with the posterior of class 0.
    fn listened(posteriors: &[f32], command: bool) -> Listened {
        let mut track = Track::new("x", Kind::Real, 1000);
        for at in 0..posteriors.len() as u64 {
            let class = (command && at % 4 == 2).then_some(0);
            track.spans.push(Span {
                range: at * 1000 + 400..at * 1000 + 600,
                label: "x".into(),
                class,
            });
        }
        track.distinct = 1000 * posteriors.len() as u64;
        let rows = posteriors.iter().flat_map(|p| [from_f32(*p), from_f32(1.0 - p)]).collect();
        let posteriors = Posteriors::new(1000, 1000, 2, rows);
        Listened { length: track.distinct, track, posteriors }
    }

    #[test]
    fn settings_keep_within_the_wanted_rate() {
        let streams = Streams {
            labels: vec!["go".into(), "_silence_".into()],
            window: 1000,
            positives: listened(
                &[0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.8, 0.0, 0.0, 0.0, 0.7, 0.0],
                true,
            ),
            negatives: vec![listened(&[0.0, 0.75, 0.0, 0.0, 0.2, 0.0], false)],
            notes: Vec::new(),
        };
        let decision = DecisionDefaults {
            hop: 1000,
            smoothing: 3,
            min_count: 1,
            release: 1.0,
            warm_up: 0,
            suppression: 1000,
            cooldowns: Vec::new(),
            gate: 0,
            thresholds: vec![Some(0.6), None],
        };
        let choice = |rate| tune(&streams, &decision, rate, &mut |_, _| ()).unwrap();
        let strict = choice(0.5);
        assert_eq!((strict.allowed, strict.false_accepts()), (0, 0));
        assert_eq!(curves::hits(&streams, &strict.measured)[0].hits, 2);
        assert_eq!((strict.decision.smoothing, strict.decision.thresholds[1]), (1, None));
        let lax = choice(1000.0);
        assert_eq!((lax.allowed, lax.false_accepts()), (1, 1));
        assert_eq!(curves::hits(&streams, &lax.measured)[0].hits, 3);
    }
}
