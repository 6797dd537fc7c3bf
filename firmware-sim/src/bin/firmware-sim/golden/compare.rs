//! The first difference between two runs.

use models::arch::{Node, Part};

use super::{LayerSums, Outputs};

/// Channels that are named.
const NAMED: usize = 4;

/// Says where `found`, of a network of these nodes, first differs from `recorded`: in the order of the layers, then
/// of the windows, then of the events.
pub(crate) fn difference(nodes: &[Node], recorded: &Outputs, found: &Outputs) -> Option<String> {
    layers(nodes, recorded, found)
        .or_else(|| windows(recorded, found))
        .or_else(|| events(recorded, found))
}

fn layers(nodes: &[Node], recorded: &Outputs, found: &Outputs) -> Option<String> {
    let (was, is) = (&recorded.layers, &found.layers);
    if was.len() != is.len() {
        let (was, is) = (was.len(), is.len());
        return Some(format!(
            "the network has {is} layers before its classifier, {was} were recorded"
        ));
    }
    let mut pairs = was.iter().zip(is).enumerate();
    let (index, (was, is)) = pairs.find(|(_, (was, is))| was != is)?;
    let name = match &nodes[index] {
        Node { layer, part: Part::Conv, .. } => layer.to_string(),
        Node { layer, part, .. } => format!("{layer} ({})", part.name()),
    };
    Some(format!("{name} {}", layer(was, is)))
}

/// Says how a layer differs.
fn layer(was: &LayerSums, is: &LayerSums) -> String {
    let (channels, columns) = (is.channels.len(), is.columns().len());
    if was.channels.len() != channels {
        return format!("has {channels} channels, {} were recorded", was.channels.len());
    }
    let first = differing(was.columns(), is.columns()).next();
    let mut differ = differing(&was.channels, &is.channels);
    let named: Vec<String> = differ.by_ref().take(NAMED).map(|c| c.to_string()).collect();
    let channels = match (named.as_slice(), differ.count()) {
        ([], _) => "no channel's checksum".to_owned(),
        ([one], _) => format!("channel {one}"),
        (several, 0) => format!("channels {}", several.join(", ")),
        (several, more) => format!("channels {} and {more} more", several.join(", ")),
    };
    match first {
        Some(column) => format!("differs from column {column} on, in {channels}"),
        None if was.columns.len() != is.columns.len() => {
            format!("has {columns} columns, {} were recorded", was.columns().len())
        }
        None => format!("differs in {channels}, but in no column's checksum"),
    }
}

/// Indices at which two lists differ.
fn differing<'a, T: PartialEq>(was: &'a [T], is: &'a [T]) -> impl Iterator<Item = usize> + 'a {
    let pairs = was.iter().zip(is).enumerate();
    pairs.filter(|(_, (was, is))| was != is).map(|(index, _)| index)
}

fn windows(recorded: &Outputs, found: &Outputs) -> Option<String> {
    let (was, is) = (&recorded.windows, &found.windows);
    if let Some(index) = differing(was, is).next() {
        let (was, is) = (&was[index], &is[index]);
        let class = differing(&was.posteriors, &is.posteriors).next();
        let (now, then) = (is.posteriors.len(), was.posteriors.len());
        return Some(match class {
            _ if now != then => {
                format!("window {index} has {now} posteriors, {then} were recorded")
            }
            Some(class) => format!(
                "window {index} (ends at sample {}) differs first in the posterior of class {class}: {} instead of {}",
                is.end, is.posteriors[class], was.posteriors[class]
            ),
            None => format!("window {index} ends at sample {} instead of {}", is.end, was.end),
        });
    }
    let (was, is) = (was.len(), is.len());
    (was != is).then(|| format!("there are {is} windows, {was} were recorded"))
}

fn events(recorded: &Outputs, found: &Outputs) -> Option<String> {
    let (was, is) = (&recorded.events, &found.events);
    if let Some(index) = differing(was, is).next() {
        let (was, is) = (&was[index], &is[index]);
        return Some(format!(
            "event {index} differs: class {} at sample {} with confidence {}, instead of class {} at sample {} with confidence {}",
            is.class, is.end, is.confidence, was.class, was.end, was.confidence
        ));
    }
    let (was, is) = (was.len(), is.len());
    (was != is).then(|| format!("there are {is} events, {was} were recorded"))
}

#[cfg(test)]
mod tests {
    use models::arch::{ArchSpec, Block, BlockKind, preset};

    use super::super::{Decided, Window};
    use super::*;

    /// Of a network with one block of this kind.
    fn nodes(kind: BlockKind) -> Vec<Node> {
        let arch = preset("nano", 2).unwrap();
        let blocks = arch.blocks.iter().take(1).map(|block| Block { kind, ..*block }).collect();
        ArchSpec { blocks, ..arch }.nodes().unwrap()
    }

    fn sums(columns: &[u8], channels: &[u32]) -> LayerSums {
        LayerSums { all: 0, columns: columns.to_vec(), channels: channels.to_vec() }
    }

    fn outputs() -> Outputs {
        Outputs {
            layers: vec![
                sums(&[1, 1, 2, 2], &[1, 2]),
                sums(&[3, 3, 4, 4, 5, 5], &[1, 2, 3, 4, 5, 6]),
                sums(&[6, 6], &[7]),
            ],
            windows: vec![Window { end: 9, posteriors: vec![5, 6] }],
            events: vec![Decided { class: 1, start: 2, end: 9, confidence: 77 }],
        }
    }

    fn said(change: impl FnOnce(&mut Outputs)) -> String {
        let mut other = outputs();
        change(&mut other);
        difference(&nodes(BlockKind::Basic), &outputs(), &other).unwrap()
    }

    #[test]
    fn equal_runs_do_not_differ() {
        assert_eq!(difference(&nodes(BlockKind::Basic), &outputs(), &outputs()), None);
    }

    #[test]
    fn the_first_layer_column_and_channel_are_named() {
        let change = |other: &mut Outputs| {
            other.layers[1].columns[3] = 9;
            other.layers[1].channels[5] = 9;
            other.layers[2].columns[0] = 9;
            other.windows.clear();
        };
        assert_eq!(said(change), "block 1 differs from column 1 on, in channel 5");
        let change = |other: &mut Outputs| {
            other.layers[1].columns[0] = 9;
            other.layers[1].channels = vec![9; 6];
        };
        assert_eq!(
            said(change),
            "block 1 differs from column 0 on, in channels 0, 1, 2, 3 and 2 more"
        );
        let change = |other: &mut Outputs| other.layers[0].channels[1] = 9;
        assert_eq!(said(change), "stem differs in channel 1, but in no column's checksum");
    }

    #[test]
    fn the_part_of_a_block_is_named() {
        let nodes = nodes(BlockKind::Res2);
        let join = nodes.iter().position(|node| node.part == Part::Join).unwrap();
        let recorded = Outputs { layers: vec![sums(&[1, 1], &[1]); nodes.len()], ..outputs() };
        let mut found = Outputs { layers: recorded.layers.clone(), ..outputs() };
        found.layers[join].channels[0] = 9;
        let said = difference(&nodes, &recorded, &found).unwrap();
        assert_eq!(said, "block 1 (join) differs in channel 0, but in no column's checksum");
    }

    #[test]
    fn other_networks_are_told() {
        let layers = |other: &mut Outputs| drop(other.layers.pop());
        assert_eq!(said(layers), "the network has 2 layers before its classifier, 3 were recorded");
        let channels = |other: &mut Outputs| other.layers[2].channels.push(0);
        assert_eq!(said(channels), "head has 2 channels, 1 were recorded");
        let columns = |other: &mut Outputs| other.layers[2].columns.extend([1, 1]);
        assert_eq!(said(columns), "head has 2 columns, 1 were recorded");
    }

    #[test]
    fn windows_and_events_come_behind_the_layers() {
        let posterior = |other: &mut Outputs| other.windows[0].posteriors[1] = 0;
        let expected =
            "window 0 (ends at sample 9) differs first in the posterior of class 1: 0 instead of 6";
        assert_eq!(said(posterior), expected);
        let classes = |other: &mut Outputs| other.windows[0].posteriors.push(0);
        assert_eq!(said(classes), "window 0 has 3 posteriors, 2 were recorded");
        let windows = |other: &mut Outputs| other.windows.clear();
        assert_eq!(said(windows), "there are 0 windows, 1 were recorded");
        let event = |other: &mut Outputs| other.events[0].class = 0;
        assert!(said(event).starts_with("event 0 differs: class 0 at sample 9 "));
        let events = |other: &mut Outputs| other.events.clear();
        assert_eq!(said(events), "there are 0 events, 1 were recorded");
    }
}
