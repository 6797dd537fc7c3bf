//! The sweeps as a picture.

use plotters::prelude::*;

use super::{Point, Sweep};

/// Width of a panel and height in pixels.
const PANEL: (u32, u32) = (460, 420);

/// One panel a sweep, both axes logarithmic.
pub(crate) fn svg(sweeps: &[Sweep], peak: f64) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let size = (PANEL.0 * sweeps.len() as u32, PANEL.1);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, sweep) in root.split_evenly((1, sweeps.len())).iter().zip(sweeps) {
            panel(area, sweep, peak)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    sweep: &Sweep,
    peak: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    type Series<'a> = (&'static str, RGBColor, Box<dyn Fn(&Point) -> f64 + 'a>);
    let series: [Series<'_>; 4] = [
        ("whole windows, f32", RGBColor(120, 120, 120), Box::new(|point| point.whole)),
        ("shared, f32", BLUE, Box::new(|point| point.shared)),
        ("shared, int8", RGBColor(220, 120, 0), Box::new(|point| point.int8)),
        ("limit of arithmetic, f32", BLACK, Box::new(move |point| point.hop_macs as f64 / peak)),
    ];
    let places = sweep.points.iter().map(|point| point.at);
    let (left, right) = (places.clone().fold(f64::MAX, f64::min), places.fold(0.0, f64::max));
    let values = series.iter().flat_map(|(_, _, of)| sweep.points.iter().map(of));
    let values: Vec<f64> = values.collect();
    let low = values.iter().copied().fold(f64::MAX, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(
        (left / 1.2..right * 1.2).log_scale(),
        (low / 1.5..high * 1.5).log_scale(),
    )?;
    chart.configure_mesh().x_desc(sweep.axis).y_desc("ms a decision, one thread").draw()?;
    for (name, colour, of) in &series {
        let points: Vec<(f64, f64)> =
            sweep.points.iter().map(|point| (point.at, of(point))).collect();
        let (colour, width) = (*colour, if name.starts_with("limit") { 1 } else { 2 });
        let drawn = chart.draw_series([PathElement::new(points, colour.stroke_width(width))])?;
        drawn.label(*name).legend(move |(x, y)| {
            PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(width))
        });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
