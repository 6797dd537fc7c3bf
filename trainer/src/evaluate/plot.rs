//! The confusion matrix as a picture.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::metrics::Confusion;

/// Width and height of a cell in pixels.
const CELL: i32 = 44;
/// Room for the labels in pixels.
const MARGIN: i32 = 110;

/// The confusion matrix as SVG. Colours show the share of the true class.
///
/// # Errors
/// What the drawing library says.
pub fn confusion_svg(confusion: &Confusion, title: &str) -> Result<String, String> {
    let mut svg = String::new();
    draw(confusion, title, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(
    confusion: &Confusion,
    title: &str,
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let classes = i32::try_from(confusion.labels.len())?;
    let side = u32::try_from(MARGIN + classes * CELL + 20)?;
    let root = SVGBackend::with_string(svg, (side, side + 30)).into_drawing_area();
    root.fill(&WHITE)?;
    let font = |size: i32| TextStyle::from(("sans-serif", size)).color(&BLACK);
    root.draw(&Text::new(title.to_owned(), (10, 8), font(16)))?;
    let root = root.margin(30, 0, 0, 0);
    let right = font(13).pos(Pos::new(HPos::Right, VPos::Center));
    let upwards =
        font(13).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Left, VPos::Center));
    for (index, label) in (0..).zip(&confusion.labels) {
        let middle = MARGIN + index * CELL + CELL / 2;
        root.draw(&Text::new(label.clone(), (MARGIN - 8, middle), right.clone()))?;
        root.draw(&Text::new(label.clone(), (middle, MARGIN - 8), upwards.clone()))?;
    }
    for (row, counts) in (0..).zip(&confusion.counts) {
        let total = counts.iter().sum::<u64>().max(1) as f64;
        for (column, count) in (0..).zip(counts) {
            let (x, y) = (MARGIN + column * CELL, MARGIN + row * CELL);
            let share = *count as f64 / total;
            let level = (255.0 * (1.0 - share)) as u8;
            let colour = if row == column {
                RGBColor(level, level.max(96), 255)
            } else {
                RGBColor(255, level, level)
            };
            root.draw(&Rectangle::new([(x, y), (x + CELL - 2, y + CELL - 2)], colour.filled()))?;
            if *count > 0 {
                let ink = if share > 0.5 { &WHITE } else { &BLACK };
                let style = font(13).color(ink).pos(Pos::new(HPos::Center, VPos::Center));
                root.draw(&Text::new(count.to_string(), (x + CELL / 2, y + CELL / 2), style))?;
            }
        }
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_and_label_is_drawn() {
        let labels = vec!["alpha".to_owned(), "beta".to_owned()];
        let confusion = Confusion { labels, counts: vec![vec![41, 7], vec![0, 53]] };
        let svg = confusion_svg(&confusion, "title").unwrap();
        for text in ["alpha", "beta", "41", "7", "53", "title"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
