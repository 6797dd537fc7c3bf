//! A picture in memory that plotters draws on.

use std::convert::Infallible;

use ab_glyph::{Font as _, FontRef, PxScale, PxScaleFont, ScaleFont as _, point};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

/// What SVG makes of a size in plotters.
const POINTS: f64 = 1.24;

/// RGB pixels, row by row from the top, and the font of all text.
pub(super) struct Canvas<'a> {
    pixels: &'a mut [u8],
    size: (u32, u32),
    font: FontRef<'static>,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Canvas<'a> {
    /// A canvas on pixels.
    ///
    /// # Panics
    /// If there are not as many as the size says.
    pub(super) fn new(pixels: &'a mut [u8], size: (u32, u32)) -> Self {
        assert_eq!(pixels.len(), 3 * size.0 as usize * size.1 as usize, "a picture of that size");
        let font = FontRef::try_from_slice(dejavu::sans::regular());
        Self { pixels, size, font: font.expect("the font is part of the program") }
    }

    fn scaled(&self, size: f64) -> PxScaleFont<&FontRef<'static>> {
        // An em is less than what the font calls its height.
        let ems = self.font.height_unscaled() / self.font.units_per_em().unwrap_or(2048.0);
        self.font.as_scaled(PxScale::from((size / POINTS) as f32 * ems))
    }

    fn width(&self, text: &str, size: f64) -> f32 {
        let font = self.scaled(size);
        text.chars().map(|letter| font.h_advance(font.glyph_id(letter))).sum()
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return Ok(()) };
        if x < width && y < height {
            let pixel = &mut self.pixels[3 * (y * width + x)..][..3];
            let (r, g, b) = colour.rgb;
            for (old, new) in pixel.iter_mut().zip([r, g, b]) {
                let (from, to) = (f64::from(*old), f64::from(new));
                *old = (from + (to - from) * colour.alpha).round() as u8;
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (left, top): BackendCoord,
    ) -> Drawn {
        let (width, anchor) = (self.width(text, style.size()), style.anchor());
        let (transform, colour) = (style.transform(), style.color());
        let mut pixels = Vec::new();
        {
            let font = self.scaled(style.size());
            let height = font.ascent() - font.descent();
            let mut right = match anchor.h_pos {
                HPos::Left => 0.0,
                HPos::Center => -width / 2.0,
                HPos::Right => -width,
            };
            let baseline = font.ascent()
                + match anchor.v_pos {
                    VPos::Top => 0.0,
                    VPos::Center => -height / 2.0,
                    VPos::Bottom => -height,
                };
            for letter in text.chars() {
                let id = font.glyph_id(letter);
                let glyph = id.with_scale_and_position(font.scale(), point(right, baseline));
                right += font.h_advance(id);
                let Some(outline) = font.outline_glyph(glyph) else { continue };
                let corner = outline.px_bounds().min;
                outline.draw(|x, y, cover| {
                    let place = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                    let (x, y) = transform.transform(place.0, place.1);
                    pixels.push(((left + x, top + y), f64::from(cover.min(1.0))));
                });
            }
        }
        for (place, cover) in pixels {
            self.draw_pixel(place, BackendColor { alpha: colour.alpha * cover, ..colour })?;
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let font = self.scaled(style.size());
        let height = font.ascent() - font.descent();
        Ok((self.width(text, style.size()).ceil() as u32, height.ceil() as u32))
    }
}
