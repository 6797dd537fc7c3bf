//! Values as colours.

use std::ops::Range;

use plotters::prelude::ViridisRGB;

/// Colours of the scale.
const COLOURS: usize = 64;

/// A table of values as an image.
#[derive(Clone, Debug)]
pub struct Heat {
    /// Where it lies in the figure: pixels from the left, and from the top.
    pub place: (Range<i32>, Range<i32>),
    columns: usize,
    /// Colours, row by row from the top.
    cells: Vec<u8>,
}

impl Heat {
    /// An image of `values` in 0 to 1 (others are cut), row by row from the top, `columns` a row.
    ///
    /// # Panics
    /// If the values fill no rows.
    #[must_use]
    pub fn new(place: (Range<i32>, Range<i32>), columns: usize, values: &[f32]) -> Self {
        assert!(columns > 0 && values.len().is_multiple_of(columns), "whole rows");
        // A value that is no number becomes 0.
        let colour = |value: &f32| (value.clamp(0.0, 1.0) * (COLOURS - 1) as f32).round() as u8;
        Self { place, columns, cells: values.iter().map(colour).collect() }
    }

    fn palette() -> Vec<u8> {
        let colours = (0..COLOURS).map(|i| ViridisRGB::get_color(i as f32 / (COLOURS - 1) as f32));
        colours.flat_map(|colour| [colour.0, colour.1, colour.2]).collect()
    }

    /// The bytes of a PNG file with a pixel a value.
    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let (width, height) = (self.columns as u32, (self.cells.len() / self.columns) as u32);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(Self::palette());
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.cells)?;
        writer.finish()?;
        Ok(file)
    }

    /// Copies the image into an RGB picture that is `width` pixels wide, the nearest value for every pixel.
    pub(super) fn copy_to(&self, picture: &mut [u8], width: usize) {
        let palette = Self::palette();
        let (x, y) = (&self.place.0, &self.place.1);
        let rows = self.cells.len() / self.columns;
        for (down, row) in y.clone().enumerate() {
            for (right, column) in x.clone().enumerate() {
                let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else {
                    continue;
                };
                let cell = down * rows / y.len() * self.columns + right * self.columns / x.len();
                let colour = usize::from(self.cells[cell]);
                let Some(pixel) = picture.get_mut(3 * (row * width + column)..) else { continue };
                if column < width && pixel.len() >= 3 {
                    pixel[..3].copy_from_slice(&palette[3 * colour..][..3]);
                }
            }
        }
    }
}
