//! ROC and DET curves as a picture.

use plotters::prelude::*;

use super::curves::{Curve, Trade};
use super::rates::Rate;

/// Width and height of the picture in pixels.
const SIZE: (u32, u32) = (1200, 560);
/// Colours of the classes, in turn.
const COLOURS: usize = 12;

type Failure = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// One line in a picture.
struct Line {
    name: String,
    colour: RGBAColor,
    width: u32,
    trades: Vec<Trade>,
}

/// Both curves as SVG: recall and misses against false accepts an hour, for every class and for all
/// together. `now` is where the model's own settings are, as misses and false accepts.
///
/// # Errors
/// What the drawing library says.
pub fn curves_svg(
    curve: &Curve,
    labels: &[String],
    now: (f64, Rate),
    title: &str,
) -> Result<String, String> {
    let mut svg = String::new();
    draw(curve, labels, now, title, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(
    curve: &Curve,
    labels: &[String],
    now: (f64, Rate),
    title: &str,
    svg: &mut String,
) -> Result<(), Failure> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 18))?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    let lines = lines(curve, labels);
    roc(&left, &lines, now)?;
    det(&right, &lines, now, curve)?;
    root.present()?;
    Ok(())
}

fn lines(curve: &Curve, labels: &[String]) -> Vec<Line> {
    let heard =
        (0..labels.len()).filter(|class| curve.commands.get(*class).is_some_and(|n| *n > 0));
    let mut lines: Vec<Line> = heard
        .enumerate()
        .map(|(index, class)| Line {
            name: labels[class].clone(),
            colour: HSLColor((index % COLOURS) as f64 / COLOURS as f64, 0.7, 0.5).mix(0.8),
            width: 1,
            trades: curve.trades(Some(class)),
        })
        .collect();
    let (name, colour, width) = ("all".to_owned(), BLACK.mix(1.0), 3);
    lines.push(Line { name, colour, width, trades: curve.trades(None) });
    lines
}

/// Where false accepts are drawn, as their number an hour: half a count stands for none, for the hours cannot tell that there
/// would never be one.
fn per_hour(false_accepts: Rate) -> f64 {
    false_accepts.estimate().unwrap_or(0.5 / false_accepts.hours.max(1e-3))
}

/// What the axis of [`per_hour`] says.
const PER_HOUR: &str = "false accepts an hour (none: half a count)";

fn roc(area: &Area<'_>, lines: &[Line], now: (f64, Rate)) -> Result<(), Failure> {
    let now = (now.0, per_hour(now.1));
    let right = lines.iter().flat_map(|line| &line.trades);
    let right = right.map(|trade| per_hour(trade.false_accepts)).fold(now.1.max(1.0), f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("ROC", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..right * 1.05, 0.0..1.02)?;
    chart.configure_mesh().x_desc(PER_HOUR).y_desc("commands heard").draw()?;
    let point = |trade: &Trade| (per_hour(trade.false_accepts), 1.0 - trade.missed);
    for line in lines {
        let points: Vec<(f64, f64)> = line.trades.iter().map(point).collect();
        let style = line.colour.stroke_width(line.width);
        chart.draw_series([PathElement::new(points, style)])?;
    }
    chart.draw_series([Circle::new((now.1, 1.0 - now.0), 5, RED.filled())])?;
    Ok(())
}

fn det(area: &Area<'_>, lines: &[Line], now: (f64, Rate), curve: &Curve) -> Result<(), Failure> {
    // Where the logarithm has no zero, half of the least that could be counted stands for none.
    let commands = curve.commands.iter().sum::<u64>().max(1) as f64;
    let (left, low) = (per_hour(Rate { count: 0, hours: curve.hours }), 0.5 / commands);
    let right = lines.iter().flat_map(|line| &line.trades);
    let right = right.map(|trade| per_hour(trade.false_accepts)).fold(left * 10.0, f64::max);
    let place = |missed: f64, rate: Rate| (per_hour(rate), missed.max(low));
    let mut chart = ChartBuilder::on(area)
        .caption("DET", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((left..right * 1.2).log_scale(), (low..1.1).log_scale())?;
    chart.configure_mesh().x_desc(PER_HOUR).y_desc("commands not heard").draw()?;
    for line in lines {
        let points = line.trades.iter().map(|trade| place(trade.missed, trade.false_accepts));
        let style = line.colour.stroke_width(line.width);
        let drawn = chart.draw_series([PathElement::new(points.collect::<Vec<_>>(), style)])?;
        let colour = line.colour;
        drawn
            .label(line.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    let marked = chart.draw_series([Circle::new(place(now.0, now.1), 5, RED.filled())])?;
    marked.label("these settings").legend(|(x, y)| Circle::new((x + 8, y), 4, RED.filled()));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::curves::Point;
    use super::*;

    #[test]
    fn classes_and_axes_are_drawn() {
        let point = |threshold, hits: [u64; 2], false_accepts: [u64; 2]| Point {
            threshold,
            hits: hits.into(),
            false_accepts: false_accepts.into(),
        };
        let points = vec![point(0.3, [9, 0], [7, 0]), point(0.8, [5, 0], [0, 0])];
        let curve = Curve { commands: vec![10, 0], hours: 0.5, points };
        let labels = ["go".to_owned(), "_silence_".to_owned()];
        let svg =
            curves_svg(&curve, &labels, (0.5, Rate { count: 0, hours: 0.5 }), "a title").unwrap();
        for text in ["ROC", "DET", "go", "all", "a title", "false accepts an hour"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("_silence_"));
        assert_eq!(per_hour(Rate { count: 7, hours: 0.5 }), 14.0);
        assert_eq!(per_hour(Rate { count: 0, hours: 0.5 }), 1.0, "half a count in half an hour");
        let nothing = Curve { commands: vec![0, 0], hours: 0.0, points: Vec::new() };
        assert!(curves_svg(&nothing, &labels, (0.0, Rate::default()), "").is_ok());
    }
}
