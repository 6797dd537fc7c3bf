//! Figures that follow from posteriors.

use models::meta::{SILENCE, UNKNOWN};

use super::predict::{Predictions, argmax};

/// Counts of true class (row) against decided class (column).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The classes.
    pub labels: Vec<String>,
    /// `counts[true][decided]`.
    pub counts: Vec<Vec<u64>>,
}

/// Precision, recall and F1 of one class. A ratio without cases is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassFigures {
    /// Clips of the class.
    pub clips: u64,
    /// Of the clips decided to be of the class, the share that are.
    pub precision: Option<f64>,
    /// Of the clips of the class, the share decided so.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
}

/// Successes among trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Successes.
    pub hits: u64,
    /// Trials.
    pub of: u64,
}

impl Share {
    /// The ratio; 0 without trials.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.hits as f64 / self.of.max(1) as f64
    }

    /// The 95 % interval of the underlying probability.
    ///
    /// Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    #[must_use]
    pub fn interval95(&self) -> (f64, f64) {
        const Z: f64 = 1.959_963_984_540_054;
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (self.of as f64, self.value());
        let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}

impl Confusion {
    /// Counts decisions.
    #[must_use]
    pub fn new(labels: &[String], predictions: &Predictions) -> Self {
        let mut counts = vec![vec![0; labels.len()]; labels.len()];
        for (row, class) in predictions.posteriors.iter().zip(&predictions.classes) {
            counts[*class][argmax(row)] += 1;
        }
        Self { labels: labels.to_vec(), counts }
    }

    /// Share of clips decided correctly.
    #[must_use]
    pub fn accuracy(&self) -> Share {
        self.accuracy_of(|_| true)
    }

    /// Share of clips decided correctly, clips of silence left out.
    #[must_use]
    pub fn accuracy_without_silence(&self) -> Share {
        self.accuracy_of(|label| label != SILENCE)
    }

    fn accuracy_of(&self, counted: impl Fn(&str) -> bool) -> Share {
        let mut share = Share { hits: 0, of: 0 };
        for (class, row) in self.counts.iter().enumerate() {
            if counted(&self.labels[class]) {
                share.hits += row[class];
                share.of += row.iter().sum::<u64>();
            }
        }
        share
    }

    /// Figures of one class.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn class(&self, class: usize) -> ClassFigures {
        let hits = self.counts[class][class] as f64;
        let clips: u64 = self.counts[class].iter().sum();
        let decided: u64 = self.counts.iter().map(|row| row[class]).sum();
        let ratio = |of: u64| (of > 0).then(|| hits / of as f64);
        let (precision, recall) = (ratio(decided), ratio(clips));
        let f1 = match clips + decided {
            0 => None,
            sum => Some(2.0 * hits / sum as f64),
        };
        ClassFigures { clips, precision, recall, f1 }
    }
}

/// How the posteriors of several classes become that of the unknown class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum UnknownRule {
    /// The largest of them: the decision is the single most probable class.
    #[default]
    Largest,
    /// Their sum.
    Summed,
}

/// Maps posteriors over a model's classes to those over `labels`: classes that are not among them
/// become the unknown class.
///
/// # Errors
/// The label that has no place.
pub fn map_classes(
    predictions: &mut Predictions,
    model_labels: &[String],
    labels: &[String],
    rule: UnknownRule,
) -> Result<(), String> {
    if model_labels == labels {
        return Ok(());
    }
    let place = |label: &String| {
        let find = |wanted: &str| labels.iter().position(|label| label == wanted);
        find(label).or_else(|| find(UNKNOWN)).ok_or_else(|| label.clone())
    };
    let places: Vec<usize> = model_labels.iter().map(place).collect::<Result<_, _>>()?;
    if let Some(label) = (0..labels.len()).find(|class| !places.contains(class)) {
        return Err(labels[label].clone());
    }
    for row in &mut predictions.posteriors {
        let mut mapped = vec![0.0f32; labels.len()];
        for (posterior, place) in row.iter().zip(&places) {
            match rule {
                UnknownRule::Largest => mapped[*place] = mapped[*place].max(*posterior),
                UnknownRule::Summed => mapped[*place] += posterior,
            }
        }
        *row = mapped;
    }
    Ok(())
}

/// Keeps the posteriors of the tags `labels` out of a model's, in that order.
///
/// # Errors
/// The label that the model does not have.
pub fn select_tags(
    predictions: &mut Predictions,
    model_labels: &[String],
    labels: &[String],
) -> Result<(), String> {
    let place = |label: &String| {
        let place = model_labels.iter().position(|known| known == label);
        place.ok_or_else(|| label.clone())
    };
    let places: Vec<usize> = labels.iter().map(place).collect::<Result<_, _>>()?;
    for row in &mut predictions.posteriors {
        *row = places.iter().map(|place| row[*place]).collect();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn predictions(rows: &[(&[f32], usize)]) -> Predictions {
        Predictions {
            posteriors: rows.iter().map(|(row, _)| row.to_vec()).collect(),
            classes: rows.iter().map(|(_, class)| *class).collect(),
            tags: Vec::new(),
            names: vec![String::new(); rows.len()],
        }
    }

    #[test]
    fn figures_follow_from_counts() {
        let rows: &[(&[f32], usize)] =
            &[(&[0.9, 0.1], 0), (&[0.2, 0.8], 0), (&[0.3, 0.7], 1), (&[0.1, 0.9], 1)];
        let confusion = Confusion::new(&labels(&["go", SILENCE]), &predictions(rows));
        assert_eq!(confusion.counts, [[1, 1], [0, 2]]);
        assert_eq!(confusion.accuracy(), Share { hits: 3, of: 4 });
        assert_eq!(confusion.accuracy_without_silence(), Share { hits: 1, of: 2 });
        let go = confusion.class(0);
        assert_eq!((go.clips, go.precision, go.recall), (2, Some(1.0), Some(0.5)));
        assert!((go.f1.unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn wilson_interval_of_a_textbook_case() {
        let (low, high) = Share { hits: 10, of: 10 }.interval95();
        assert!((low - 0.7225).abs() < 1e-4 && (high - 1.0).abs() < 1e-12);
        let (low, high) = Share { hits: 50, of: 100 }.interval95();
        assert!((low - 0.4038).abs() < 1e-4 && (high - 0.5962).abs() < 1e-4);
    }

    #[test]
    fn other_words_become_unknown_by_either_rule() {
        let model = labels(&["bed", "cat", "go", SILENCE]);
        let wanted = labels(&["go", UNKNOWN, SILENCE]);
        let row: &[f32] = &[0.3, 0.3, 0.4, 0.0];
        let decide = |rule| {
            let mut predictions = predictions(&[(row, 0)]);
            map_classes(&mut predictions, &model, &wanted, rule).unwrap();
            argmax(&predictions.posteriors[0])
        };
        assert_eq!(decide(UnknownRule::Largest), 0);
        assert_eq!(decide(UnknownRule::Summed), 1);
    }

    #[test]
    fn classes_without_a_place_are_named() {
        let map = |model: &[&str], wanted: &[&str]| {
            map_classes(&mut predictions(&[]), &labels(model), &labels(wanted), UnknownRule::Summed)
        };
        assert_eq!(map(&["bed", "go"], &["go"]), Err("bed".to_owned()));
        assert_eq!(map(&["go"], &["go", "stop"]), Err("stop".to_owned()));
    }

    #[test]
    fn tags_are_looked_up_by_their_labels() {
        let model = labels(&["dog", "rain", "siren"]);
        let mut found = predictions(&[(&[0.1, 0.2, 0.3], 0)]);
        select_tags(&mut found, &model, &labels(&["siren", "dog"])).unwrap();
        assert_eq!(found.posteriors, [[0.3, 0.1]]);
        let unknown = select_tags(&mut found, &model, &labels(&["dog", "cat"]));
        assert_eq!(unknown, Err("cat".to_owned()));
    }
}
