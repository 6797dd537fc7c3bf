//! The filters of a network as a figure.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::filters::LayerFilters;
use crate::figure::{Failure, Figure, Heat};

/// Width and height of a panel in pixels.
const PANEL: (u32, u32) = (380, 300);
/// Panels side by side.
const ACROSS: usize = 3;

/// One panel a layer: filters from left to right, sorted by the frequency of their peak; frequency upwards; bright where
/// the spectrum is large.
pub struct FilterFigure<'a> {
    /// What to draw.
    pub layers: &'a [LayerFilters],
    /// Samples a second.
    pub rate_hz: u32,
    /// What stands above.
    pub title: String,
}

impl Figure for FilterFigure<'_> {
    fn size(&self) -> (u32, u32) {
        let rows = self.layers.len().div_ceil(ACROSS) as u32;
        (PANEL.0 * self.layers.len().min(ACROSS) as u32, PANEL.1 * rows + 30)
    }

    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
        heats: &mut Vec<Heat>,
    ) -> Result<(), Failure>
    where
        B::ErrorType: 'static,
    {
        root.draw(&Text::new(self.title.clone(), (12, 8), ("sans-serif", 16)))?;
        let across = self.layers.len().min(ACROSS);
        let panels = root.margin(30, 0, 0, 0);
        let panels = panels.split_evenly((self.layers.len().div_ceil(ACROSS), across));
        panels.iter().zip(self.layers).try_for_each(|(area, layer)| {
            heats.extend(panel(area, layer, self.rate_hz)?);
            Ok(())
        })
    }
}

fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    layer: &LayerFilters,
    rate_hz: u32,
) -> Result<Option<Heat>, Failure>
where
    B::ErrorType: 'static,
{
    let count = layer.filters.len();
    let silent = match layer.silent.len() {
        0 => String::new(),
        silent => format!(", {silent} silent"),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}: {count} filters{silent}", layer.layer), ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0..count.max(1), 0..rate_hz / 2)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(5)
        .y_labels(5)
        .x_desc("filter, by its peak")
        .y_desc("Hz")
        .draw()?;
    let Some(first) = layer.filters.first() else { return Ok(None) };
    let values = layer.filters.iter().flat_map(|filter| &filter.spectrum);
    let largest = values.fold(f32::MIN_POSITIVE, |a, b| a.max(*b));
    let rows = (0..first.spectrum.len()).rev();
    let values = rows.flat_map(|bin| layer.filters.iter().map(move |f| f.spectrum[bin] / largest));
    let values: Vec<f32> = values.collect();
    Ok(Some(Heat::new(chart.plotting_area().get_pixel_range(), count, &values)))
}

#[cfg(test)]
mod tests {
    use super::super::filters::Filter;
    use super::*;
    use crate::figure::{png, svg};

    #[test]
    fn every_layer_has_a_panel() {
        let filter = |filter| Filter {
            filter,
            peak_hz: 1000.0,
            activation: 1.0,
            spectrum: vec![0.5, 2.0, 0.1, 0.0],
        };
        let layer = |name: &str, filters: usize| LayerFilters {
            layer: name.to_owned(),
            filters: (0..filters).map(filter).collect(),
            silent: vec![7, 8],
        };
        let layers = ["stem", "block 1", "block 2", "block 3"].map(|name| layer(name, 5));
        let figure = |layers| FilterFigure { layers, rate_hz: 16_000, title: "a title".to_owned() };
        let text = svg(&figure(&layers)).unwrap();
        for part in ["a title", "stem: 5 filters, 2 silent", "block 3: 5 filters", "8000"] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("<image").count(), 4);
        let one = [layer("stem", 0)];
        assert_eq!(svg(&figure(&one)).unwrap().matches("<image").count(), 0);
        assert!(png(&figure(&layers[..1])).unwrap().len() > 1000);
    }
}
