//! How often something rare happens, and what a number of hours can say about it.

use statrs::distribution::{ContinuousCDF as _, Gamma};

/// Events without one another's doing in a number of hours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Events.
    pub count: u64,
    /// Hours listened to.
    pub hours: f64,
}

/// What a count says about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The 95 % interval lies at or below the limit.
    Shown,
    /// The 95 % interval lies above the limit.
    Refuted,
    /// The hours could carry the limit, but the limit lies inside the interval.
    Open,
    /// So few hours would not carry the limit even without any event.
    TooFewHours,
}

/// Hours without any event that are needed for a rate of so many an hour to be the upper end of a
/// one-sided 95 % interval ("rule of three": e^-3 is about 5 %).
const HOURS_TIMES_RATE: f64 = 3.0;

/// Hours without any event that a limit needs.
#[must_use]
pub fn hours_for(limit_per_hour: f64) -> f64 {
    HOURS_TIMES_RATE / limit_per_hour
}

impl Rate {
    /// The smallest rate an hour that the hours can carry: 3/T. Infinite without hours.
    #[must_use]
    pub fn smallest(&self) -> f64 {
        HOURS_TIMES_RATE / self.hours
    }

    /// Events an hour; `None` where there were none, which says only that the rate is below
    /// [`Rate::smallest`].
    #[must_use]
    pub fn estimate(&self) -> Option<f64> {
        (self.count > 0 && self.hours > 0.0).then(|| self.count as f64 / self.hours)
    }

    /// The exact 95 % interval of a Poisson rate an hour; without events its upper end is one-sided
    /// (3/T), as its lower end is 0 anyway.
    ///
    /// Source: Garwood, "Fiducial limits for the Poisson distribution" (1936).
    #[must_use]
    pub fn interval95(&self) -> (f64, f64) {
        if self.hours <= 0.0 {
            return (0.0, f64::INFINITY);
        }
        match self.count {
            0 => (0.0, self.smallest()),
            count => {
                let count = count as f64;
                let low = gamma_quantile(count, 0.025) / self.hours;
                (low, gamma_quantile(count + 1.0, 0.975) / self.hours)
            }
        }
    }

    /// What the count says about a limit an hour.
    #[must_use]
    pub fn verdict(&self, limit_per_hour: f64) -> Verdict {
        let (low, high) = self.interval95();
        if low > limit_per_hour {
            Verdict::Refuted
        } else if self.smallest() > limit_per_hour {
            Verdict::TooFewHours
        } else if high <= limit_per_hour {
            Verdict::Shown
        } else {
            Verdict::Open
        }
    }

    /// Both counts and hours together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, hours: self.hours + other.hours }
    }
}

/// Quantile of the gamma distribution of this shape and scale 1: half of that of chi-squared with
/// twice as many degrees of freedom.
fn gamma_quantile(shape: f64, probability: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(f64::NAN, |gamma| gamma.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: Ulm, "A simple method to calculate the confidence interval of a standardized
    /// mortality ratio" (1990), and any table of exact Poisson limits.
    #[test]
    fn bounds_are_those_of_the_tables() {
        for (count, low, high) in [
            (1, 0.0253, 5.5716),
            (2, 0.2422, 7.2247),
            (3, 0.6187, 8.7673),
            (5, 1.6235, 11.6683),
            (10, 4.7954, 18.3904),
            (20, 12.2165, 30.8884),
            (100, 81.3640, 121.6272),
        ] {
            let interval = Rate { count, hours: 1.0 }.interval95();
            assert!((interval.0 - low).abs() < 1e-3, "{count}: {interval:?}");
            assert!((interval.1 - high).abs() < 1e-3, "{count}: {interval:?}");
        }
        let (low, high) = Rate { count: 10, hours: 4.0 }.interval95();
        assert!((low - 1.1989).abs() < 1e-3 && (high - 4.5976).abs() < 1e-3);
    }

    #[test]
    fn no_event_is_no_rate() {
        let rate = Rate { count: 0, hours: 6.0 };
        assert_eq!(rate.estimate(), None);
        assert_eq!(rate.interval95(), (0.0, 0.5));
        assert_eq!(Rate::default().interval95(), (0.0, f64::INFINITY));
        assert_eq!(Rate { count: 3, hours: 2.0 }.estimate(), Some(1.5));
        assert!((hours_for(0.1) - 30.0).abs() < 1e-12);
    }

    #[test]
    fn verdicts_need_hours() {
        let verdict = |count, hours| Rate { count, hours }.verdict(0.5);
        assert_eq!(verdict(0, 5.9), Verdict::TooFewHours);
        assert_eq!(verdict(0, 6.0), Verdict::Shown);
        assert_eq!(verdict(1, 6.0), Verdict::Open);
        assert_eq!(verdict(1, 12.0), Verdict::Shown);
        assert_eq!(verdict(9, 1.0), Verdict::Refuted);
        assert_eq!(Rate::default().verdict(0.5), Verdict::TooFewHours);
    }
}
