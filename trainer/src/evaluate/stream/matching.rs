//! Which detection belongs to which command.

use models::stream::Event;

use super::track::{Span, Track};

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Detected; so many samples after its end (before it, if negative).
    Hit {
        /// From the end of the sounding part to the decision.
        latency: i64,
    },
    /// Another class was detected in its place.
    Wrong {
        /// That class.
        class: usize,
    },
    /// Nothing was detected.
    Missed,
}

/// Events held against what was to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// One outcome a command, in the order of time.
    pub outcomes: Vec<Outcome>,
    /// Events of no command, and a command's second ones.
    pub others: Vec<Event>,
}

/// Matches the events of a track. `reach` is how many samples before its end an event's evidence
/// begins: an event can belong to the commands whose middle lies there.
///
/// An event belongs to the first such command of its class that has not been detected yet. Where
/// there is none, it is the wrong label of the first one of which nothing has been detected yet.
#[must_use]
pub fn matched(track: &Track, events: &[Event], reach: u64) -> Matched {
    let commands: Vec<(&Span, usize)> = track.commands().collect();
    let mut result = Matched { outcomes: vec![Outcome::Missed; commands.len()], others: vec![] };
    let mut wrong: Vec<Option<Event>> = vec![None; commands.len()];
    for event in events {
        let (from, class) = (event.end.saturating_sub(reach), usize::from(event.class));
        let first = commands.partition_point(|(span, _)| span.middle() < from);
        let behind = commands.partition_point(|(span, _)| span.middle() < event.end);
        let outcomes = &mut result.outcomes;
        let is_hit = |outcome: &Outcome| matches!(outcome, Outcome::Hit { .. });
        let right = (first..behind).find(|&at| commands[at].1 == class && !is_hit(&outcomes[at]));
        if let Some(at) = right {
            let latency = event.end as i64 - commands[at].0.range.end as i64;
            // A wrong label before the right one remains a detection of nothing that was said.
            result.others.extend(wrong[at].take());
            outcomes[at] = Outcome::Hit { latency };
        } else if let Some(at) = (first..behind).find(|&at| outcomes[at] == Outcome::Missed) {
            outcomes[at] = Outcome::Wrong { class };
            wrong[at] = Some(*event);
        } else {
            result.others.push(*event);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::track::Kind;
    use super::*;

    fn track(commands: &[(u64, usize)]) -> Track {
        let mut track = Track::new("words", Kind::Real, 100);
        let span = |&(start, class): &(u64, usize)| Span {
            range: start..start + 40,
            label: String::new(),
            class: Some(class),
        };
        track.spans = commands.iter().map(span).collect();
        track
    }

    fn event(class: u16, end: u64) -> Event {
        Event { class, start: end.saturating_sub(100), end, confidence: 1 }
    }

    #[test]
    fn events_belong_to_the_command_they_heard() {
        let track = track(&[(100, 0), (300, 1), (500, 0)]);
        let events = [event(0, 150), event(2, 350), event(2, 700)];
        let matched = matched(&track, &events, 100);
        let expected = [Outcome::Hit { latency: 10 }, Outcome::Wrong { class: 2 }, Outcome::Missed];
        assert_eq!(matched.outcomes, expected);
        assert_eq!(matched.others, [event(2, 700)]);
    }

    #[test]
    fn a_command_is_detected_once() {
        let track = track(&[(100, 0)]);
        let matched = matched(&track, &[event(0, 130), event(0, 200)], 100);
        assert_eq!(matched.outcomes, [Outcome::Hit { latency: -10 }]);
        assert_eq!(matched.others.len(), 1);
    }

    #[test]
    fn the_right_label_wins_over_a_wrong_one_before() {
        let track = track(&[(100, 0)]);
        let matched = matched(&track, &[event(1, 130), event(0, 200)], 100);
        assert_eq!(matched.outcomes, [Outcome::Hit { latency: 60 }]);
        assert_eq!(matched.others, [event(1, 130)]);
    }

    #[test]
    fn neighbours_in_reach_are_told_apart_by_class() {
        let track = track(&[(100, 0), (150, 1)]);
        let both = matched(&track, &[event(1, 190), event(0, 195)], 100);
        assert!(both.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Hit { .. })));
        let matched = matched(&track, &[event(0, 121)], 100);
        assert_eq!(matched.outcomes[0], Outcome::Hit { latency: -19 });
    }
}
