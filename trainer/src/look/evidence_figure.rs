//! What made a network decide, over the sound.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::evidence::Evidence;
use super::spectrum::Spectrum;
use crate::figure::{Failure, Figure, Heat};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 560);
/// Samples of the spectrogram's windows: 16 ms at 16 kHz.
const SPECTRUM: usize = 256;
/// Columns of the spectrogram, about.
const COLUMNS: usize = 400;
/// What the spectrogram shows below its largest value, in decibels.
const RANGE_DB: f32 = 70.0;
/// Speaks for the class.
const FOR: RGBColor = RGBColor(214, 39, 40);
/// Speaks against it.
const AGAINST: RGBColor = RGBColor(31, 119, 180);

/// The waveform over stripes of the evidence (red for the class, blue against it), and its curve over the
/// spectrogram.
pub struct EvidenceFigure<'a> {
    /// What was looked at.
    pub samples: &'a [f32],
    /// Samples a second.
    pub rate_hz: u32,
    /// Where the first sample lies in the recording, in seconds.
    pub start_s: f64,
    /// What each frame adds.
    pub evidence: &'a Evidence,
    /// What stands above.
    pub title: String,
}

impl Figure for EvidenceFigure<'_> {
    fn size(&self) -> (u32, u32) {
        SIZE
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
        let (above, below) = root.margin(30, 0, 0, 0).split_vertically(SIZE.1 / 2 - 15);
        self.waveform(&above)?;
        heats.extend(self.spectrogram(&below)?);
        Ok(())
    }
}

impl EvidenceFigure<'_> {
    fn seconds(&self, sample: usize) -> f64 {
        self.start_s + sample as f64 / f64::from(self.rate_hz)
    }

    fn span(&self) -> Range<f64> {
        self.start_s..self.seconds(self.samples.len().max(1))
    }

    /// The evidence of each frame over the largest one, and where the frame begins and ends.
    fn frames(&self) -> impl Iterator<Item = (Range<f64>, f64)> {
        let Evidence { frames, frame_samples } = self.evidence;
        let largest = frames.iter().fold(f32::MIN_POSITIVE, |a, b| a.max(b.abs()));
        frames.iter().enumerate().map(move |(index, value)| {
            let (start, end) = (index * frame_samples, (index + 1) * frame_samples);
            let place = self.seconds(start)..self.seconds(end.min(self.samples.len()));
            (place, f64::from(value / largest))
        })
    }

    fn waveform<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), Failure>
    where
        B::ErrorType: 'static,
    {
        let peak = self.samples.iter().fold(1e-4f32, |a, b| a.max(b.abs()));
        let peak = f64::from(peak) * 1.05;
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(self.span(), -peak..peak)?;
        chart.draw_series(self.frames().map(|(place, share)| {
            let colour = if share > 0.0 { FOR } else { AGAINST };
            let corners = [(place.start, -peak), (place.end, peak)];
            Rectangle::new(corners, colour.mix(0.75 * share.abs()).filled())
        }))?;
        chart.configure_mesh().disable_mesh().y_labels(5).y_desc("waveform").draw()?;
        chart.draw_series([PathElement::new(self.outline(), BLACK.stroke_width(1))])?;
        Ok(())
    }

    /// The smallest and the largest sample for every pixel across.
    fn outline(&self) -> Vec<(f64, f64)> {
        let step = (self.samples.len() / SIZE.0 as usize).max(1);
        let mut points = Vec::with_capacity(2 * self.samples.len() / step + 2);
        for (index, part) in self.samples.chunks(step).enumerate() {
            let at = self.seconds(index * step);
            let (low, high) =
                part.iter().fold((f32::MAX, f32::MIN), |(l, h), s| (l.min(*s), h.max(*s)));
            points.extend([(at, f64::from(low)), (at, f64::from(high))]);
        }
        points
    }

    fn spectrogram<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<Option<Heat>, Failure>
    where
        B::ErrorType: 'static,
    {
        let top = f64::from(self.rate_hz) / 2.0;
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(self.span(), 0.0..top)?;
        chart.configure_mesh().disable_mesh().y_labels(5).x_desc("s").y_desc("Hz").draw()?;
        // 0 lies in the middle.
        let height = |share: f64| top * (0.5 + 0.48 * share);
        let middle = [(self.span().start, height(0.0)), (self.span().end, height(0.0))];
        chart.draw_series([PathElement::new(middle, WHITE.mix(0.5).stroke_width(1))])?;
        let points = self.frames().map(|(at, share)| ((at.start + at.end) / 2.0, height(share)));
        chart.draw_series([PathElement::new(points.collect::<Vec<_>>(), WHITE.stroke_width(2))])?;
        if self.samples.len() < SPECTRUM {
            return Ok(None);
        }
        let spectrum = Spectrum::new(SPECTRUM);
        // Half a window of zeros on both sides puts a column's middle where its sound is.
        let zeros = [0.0; SPECTRUM / 2];
        let padded = [&zeros, self.samples, &zeros].concat();
        let hop = (self.samples.len() / COLUMNS).max(1);
        let (columns, values) = spectrum.spectrogram(&padded, hop, RANGE_DB);
        Ok(Some(Heat::new(chart.plotting_area().get_pixel_range(), columns, &values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{png, svg};

    #[test]
    fn sound_and_evidence_are_drawn() {
        let samples: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.3).sin() * 0.1).collect();
        let frames = (0..50).map(|i| if i < 20 { -1.0 } else { 2.0 }).collect();
        let evidence = Evidence { frames, frame_samples: 160 };
        let figure = |samples| EvidenceFigure {
            samples,
            rate_hz: 16_000,
            start_s: 1.5,
            evidence: &evidence,
            title: "yes".to_owned(),
        };
        let text = svg(&figure(&samples)).unwrap();
        for part in ["yes", "#D62728", "#1F77B4", "waveform", "8000", "<image"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(png(&figure(&samples[..100])).unwrap().len() > 1000);
    }
}
